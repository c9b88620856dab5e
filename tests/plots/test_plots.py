import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy import plots
from tests.conftest import random_recording


@pytest.fixture(scope="module")
def recordings():
    return {name: random_recording(s, n=240, widths=(6, 300, 5)) for s, name in enumerate(("trained", "untrained"))}


@pytest.fixture(scope="module")
def dataset(recordings):
    return je.profile(recordings, bootstrap=50, bounds=False)


@pytest.fixture(scope="module")
def bracketed(dataset):
    """Brackets from 1 bit below the plug-in to 11 above it, wider on both sides by a bit with each further class."""
    plugin = dataset.pattern_entropy.sel(estimator="plugin", drop=True)
    known = dataset.network != "shuffled"
    wider = xr.DataArray(np.arange(3.0), dims="class")
    return dataset.assign(
        pattern_lower=(plugin - 1 - wider).where(known),
        pattern_upper=(plugin + 11 + wider).where(known),
        total_correlation_lower=(20 - plugin - wider).where(known),
        total_correlation_upper=(32 - plugin + wider).where(known),
        reliability=xr.full_like(dataset.saturated, "weak", dtype=object),
    ).assign_attrs(dataset.attrs | {"bounds_confidence": 0.95})


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
    for ax in plots.entropy_figure(dataset).axes[3:6]:
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


def test_information_is_the_shaded_gap(dataset):
    ax = plots.information_by_depth(dataset, network="trained")
    pooled, conditional = (heights(line) for line in ax.lines)
    np.testing.assert_allclose(pooled - conditional, dataset.neuron_information.sel(network="trained"), atol=1e-12)
    assert "0." in ax.texts[0].get_text()


def test_patterns_are_sorted_by_firing_rate(recordings):
    ax = plots.patterns(recordings["trained"], layer="fc2", label=1, most=30)
    image = np.asarray(ax.images[0].get_array())
    states = recordings["trained"].states("fc2")[recordings["trained"].labels == 1]
    assert image.shape == (30, 300)
    assert image.sum() == states[:30].sum()
    rates = np.sort(states.mean(0))[::-1]
    np.testing.assert_allclose(np.sort(image.mean(0))[::-1][:5], np.sort(states[:30].mean(0))[::-1][:5])
    assert rates[0] >= rates[-1]


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
    _, axes = plt.subplots(5)
    assert plots.entropy_by_depth(dataset, axes[0]) is axes[0]
    assert plots.information_by_depth(dataset, axes[1]) is axes[1]
    assert plots.rank_frequency(recordings["trained"], axes[2]) is axes[2]
    assert plots.firing_rates(recordings, axes[3], layer="fc1") is axes[3]
    assert plots.patterns(recordings["trained"], axes[4], layer="fc1", label=0) is axes[4]


def test_every_axis_of_every_figure_is_labelled(bracketed, recordings):
    figures = plots.figures(bracketed, recordings)
    assert list(figures) == [
        "entropy-by-depth", "information-by-depth", "total-correlation", "patterns", "firing-rates", "rank-frequency",
    ]  # fmt: skip
    assert len(figures["entropy-by-depth"].axes) == 12
    for name, figure in figures.items():
        figure.canvas.draw()
        assert figure.get_suptitle(), name
        shared_x = bool(figure.get_supxlabel())
        assert any(ax.get_ylabel() for ax in figure.axes), name
        assert shared_x or any(ax.get_xlabel() for ax in figure.axes), name


@pytest.mark.parametrize("given", ["alone, with an empty class", "many classes and layers"])
def test_unusual_profiles_can_be_drawn(given):
    if given == "many classes and layers":
        one = random_recording(0, n=240, classes=30, widths=(4,) * 14)
        drawn = je.profile({"recorded": one}, bootstrap=0, bounds=False, estimators=("plugin",))
    else:
        one = random_recording(0, labels=np.where(np.arange(90) % 2, 3, 0), classes=4)
        drawn = je.profile(one, bootstrap=0, bounds=False, estimators=("plugin",))
    figures = plots.figures(drawn, {"recorded": one})
    for figure in figures.values():
        figure.canvas.draw()
    assert len(figures) == 5
