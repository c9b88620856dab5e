import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy import plots
from tests.conftest import random_recording


def heights(line) -> np.ndarray:
    return np.asarray(line.get_ydata(), float)


def test_entropy_lines_are_the_profile(dataset):
    ax = plots.entropy_by_depth(dataset, network="untrained")
    thin, bold = ax.lines[:3], ax.lines[3]
    for line, values in zip(thin, dataset.neuron_entropy.sel(network="untrained").T, strict=True):
        np.testing.assert_allclose(heights(line), values)
    np.testing.assert_allclose(heights(bold), dataset.neuron_entropy.sel(network="untrained").mean("class"))
    assert bold.get_linewidth() > 2 * thin[0].get_linewidth()
    assert ax.get_ylabel() == "entropy per neuron (bits)"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["fc1", "fc2", "fc3"]


def test_saturated_points_are_hollow_and_the_ceiling_is_drawn(dataset):
    ax = plots.entropy_by_depth(dataset, quantity="pattern_entropy", network="trained")
    assert heights(ax.lines[0]) == pytest.approx([np.log2(80)] * 2)
    for points, c in zip(ax.collections[:3], range(3), strict=True):
        hollow = [bool(np.all(face == 1)) for face in points.get_facecolor()]
        assert hollow == dataset.saturated.sel(network="trained").isel({"class": c}).values.tolist()
    assert 0 < dataset.saturated.sel(network="trained").sum() < 9


def band(ax) -> np.ndarray:
    """The points of the labelled band of brackets."""
    (found,) = [c for c in ax.collections if c.get_label() == "95 % bracket,\nmean of classes"]
    return found.get_paths()[0].vertices


def test_brackets_have_lines_and_a_mean_band(bracketed):
    ax = plots.bracket_by_depth(bracketed, network="untrained")
    one = bracketed.sel(network="untrained")
    expected = [*one.pattern_lower.T.values, *one.pattern_upper.T.values]
    for line, values in zip(ax.lines[:6], expected, strict=True):
        np.testing.assert_allclose(heights(line), values)
    for line, values in zip(ax.lines[6:8], (one.pattern_lower, one.pattern_upper), strict=True):
        np.testing.assert_allclose(heights(line), values.mean("class"))
    assert {*band(ax)[:, 1]} >= {*one.pattern_lower.mean("class").values, *one.pattern_upper.mean("class").values}
    assert heights(ax.lines[8]) == pytest.approx([np.log2(80)] * 2)
    assert ax.get_ylim()[1] > float(bracketed.pattern_upper.max())
    assert ax.get_ylabel() == "pattern entropy,\nbracket (bits)"
    hollow = [bool(np.all(face == 1)) for face in ax.collections[-1].get_facecolor()]
    assert hollow == one.saturated.any("class").values.tolist()


def test_the_band_does_not_squash_the_estimates(bracketed, dataset):
    drawn, plain = (
        plots.entropy_by_depth(d, quantity="pattern_entropy", network="trained") for d in (bracketed, dataset)
    )
    assert drawn.get_ylim() == plain.get_ylim()
    assert drawn.get_ylim()[1] < 1.2 * np.log2(80)
    assert band(drawn)[:, 1].max() > drawn.get_ylim()[1]


def test_rows_keep_their_height_whatever_the_number_of_networks(dataset):
    """The panels of a row share their axis: each must ask for the same limits."""
    for ax in plots.class_figure(dataset).axes[3:6]:
        assert ax.get_ylim()[1] == pytest.approx(1.1 * np.log2(80))


def test_shuffled_labels_have_no_brackets(bracketed):
    ax = plots.bracket_by_depth(bracketed, network="shuffled")
    assert "no brackets" in [text.get_text() for text in ax.texts]
    assert not ax.get_legend_handles_labels()[1] or "bracket" not in ax.get_legend_handles_labels()[1][0]


def test_total_correlation_bars_reach_from_limit_to_limit(bracketed):
    ax = plots.total_correlation_by_depth(bracketed)
    trained = bracketed.sel(network="trained").mean("class")
    for bar, layer in zip(ax.patches[:3], bracketed.layer.values, strict=True):
        low, high = bar.get_y(), bar.get_y() + bar.get_height()  # pyright: ignore[reportAttributeAccessIssue]
        assert low == pytest.approx(float(trained.total_correlation_lower.sel(layer=layer)))
        assert high == pytest.approx(float(trained.total_correlation_upper.sel(layer=layer)))
    assert len(ax.patches) == 6
    assert ax.get_legend_handles_labels()[1] == ["trained\nmean of classes", "untrained\nmean of classes"]


@pytest.mark.parametrize("draw", [plots.bracket_by_depth, plots.total_correlation_by_depth])
def test_a_profile_without_brackets_is_told_how_to_get_them(dataset, draw):
    with pytest.raises(je.InputError, match="bounds=True"):
        draw(dataset)


def test_classes_have_one_colour(bracketed):
    """Ten colours were more than anyone could tell apart."""
    for draw in (plots.entropy_by_depth, plots.bracket_by_depth):
        lines = draw(bracketed, network="trained").lines
        assert {line.get_color() for line in lines if line.get_linewidth() == 0.8} == {"#888888"}


def test_information_of_all_networks_is_in_one_panel(bracketed):
    ax = plots.information_by_depth(bracketed)
    for line, network in zip(ax.lines, ("trained", "untrained", "shuffled"), strict=True):
        np.testing.assert_allclose(heights(line), bracketed.neuron_information.sel(network=network))
    assert sorted(text.get_text() for text in ax.texts) == ["shuffled labels", "trained", "untrained"]
    assert "(bits)" in ax.get_ylabel()


def test_bars_of_information_reach_from_seed_to_seed(dataset):
    seeds = dataset[["neuron_information"]] * xr.DataArray([1, 2], dims="seed")
    reach = plots.information_by_depth(seeds).collections[0]
    one = dataset.neuron_information.sel(network="trained").values
    ends = [(low, high) for (_, low), (_, high) in reach.get_segments()]  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(ends, np.stack([one, 2 * one], axis=1))


def test_patterns_are_sorted_by_firing_rate(recordings):
    ax = plots.patterns(recordings["trained"], layer="fc2", label=1, most=30)
    image = np.asarray(ax.images[0].get_array())
    states = recordings["trained"].states("fc2")[recordings["trained"].labels == 1]
    assert image.shape == (30, 300)
    assert image.sum() == states[:30].sum()
    rates = np.sort(states.mean(0))[::-1]
    np.testing.assert_allclose(np.sort(image.mean(0))[::-1][:5], np.sort(states[:30].mean(0))[::-1][:5])
    assert rates[0] >= rates[-1]


def test_the_title_of_patterns_says_entropy_and_constant_neurons():
    """Of class 0: one neuron on in half of the inputs (1 bit), one always, one never on, one in a quarter (0.81)."""
    states = np.array([[1, 1, 0, 1], [1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 1]], bool)
    recording = je.Recording.from_activations({"a": states}, [0, 0, 0, 0, 1])
    assert plots.patterns(recording, layer="a", label=0).get_title() == "a\nH = 0.45 bits\n50 % constant"


def test_of_many_layers_eight_have_their_patterns_drawn():
    recording = random_recording(0, widths=(4,) * 20)
    figure = plots.patterns_figure({"recorded": recording})
    assert len(figure.axes) == 8
    assert [figure.axes[k].get_title().split("\n")[0] for k in (0, -1)] == [recording.layers[k] for k in (0, -1)]
    assert "8 of 20 layers" in figure.get_suptitle()


def test_bars_of_firing_are_the_states(recordings, dataset):
    ax = plots.firing_states(dataset)
    bars = iter(ax.patches)
    for recording in recordings.values():
        states = [recording.states(layer) for layer in recording.layers]
        never = [1 - own.any(0).mean() for own in states]
        always = [own.all(0).mean() for own in states]
        for shares in (never, 1 - np.add(never, always), always):
            for share in shares:
                assert next(bars).get_height() == pytest.approx(100 * share)  # pyright: ignore[reportAttributeAccessIssue]
    assert next(bars, None) is None  # nothing of shuffled labels, whose neurons are those of trained


def test_histograms_hold_every_neuron(recordings):
    ax = plots.firing_rates(recordings, layer="fc2")
    for patch in ax.patches:
        assert patch.get_data().values.sum() == pytest.approx(1)  # pyright: ignore[reportAttributeAccessIssue]


def test_rank_frequency_of_a_known_recording():
    states = np.eye(4, dtype=bool)[[0] * 5 + [1] * 2 + [2]]
    recording = je.Recording.from_activations({"a": states}, np.zeros(8, int))
    line = plots.rank_frequency(recording).lines[0]
    assert heights(line).tolist() == [5, 2, 1]


def test_axes_given_are_drawn_on_and_nothing_is_shown(dataset, recordings, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("show was called"))
    _, axes = plt.subplots(6)
    assert plots.entropy_by_depth(dataset, axes[0]) is axes[0]
    assert plots.information_by_depth(dataset, axes[1]) is axes[1]
    assert plots.rank_frequency(recordings["trained"], axes[2]) is axes[2]
    assert plots.firing_rates(recordings, axes[3], layer="fc1") is axes[3]
    assert plots.firing_states(dataset, axes[5]) is axes[5]
    assert plots.patterns(recordings["trained"], axes[4], layer="fc1", label=0) is axes[4]


def test_the_figures_of_a_report(bracketed, recordings):
    few = ["entropy-by-depth", "information-by-depth", "patterns", "firing-rates"]
    further = ["entropy-by-class", "total-correlation", "firing-histogram", "rank-frequency"]
    assert list(plots.figures(bracketed, recordings)) == few
    drawn = plots.figures(bracketed, recordings, full=True)
    assert list(drawn) == few + further
    assert len(drawn["entropy-by-class"].axes) == 12
    for name, figure in drawn.items():
        figure.canvas.draw()
        assert figure.get_suptitle(), name
        shared_x = bool(figure.get_supxlabel())
        assert any(ax.get_ylabel() for ax in figure.axes), name
        assert shared_x or any(ax.get_xlabel() for ax in figure.axes), name


@pytest.mark.thorough
@pytest.mark.parametrize("given", ["alone, with an empty class", "many classes and layers"])
def test_unusual_profiles_can_be_drawn(given):
    if given == "many classes and layers":
        one = random_recording(0, n=240, classes=30, widths=(4,) * 14)
        drawn = je.profile({"recorded": one}, bootstrap=0, bounds=False, estimators=("plugin",))
    else:
        one = random_recording(0, labels=np.where(np.arange(90) % 2, 3, 0), classes=4)
        drawn = je.profile(one, bootstrap=0, bounds=False, estimators=("plugin",))
    figures = plots.figures(drawn, {"recorded": one}, full=True)
    for figure in figures.values():
        figure.canvas.draw()
    assert len(figures) == 7
