import matplotlib.pyplot as plt
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy import plots
from tests.conftest import random_recording


@pytest.fixture(scope="module")
def recordings():
    return {name: random_recording(s, n=240, widths=(6, 300, 5)) for s, name in enumerate(("trained", "untrained"))}


@pytest.fixture(scope="module")
def dataset(recordings):
    return je.profile(recordings, bootstrap=20, bounds=False)


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


def test_every_axis_of_every_figure_is_labelled(dataset, recordings):
    figures = plots.figures(dataset, recordings)
    assert list(figures) == [
        "entropy-by-depth", "information-by-depth", "patterns", "firing-rates", "rank-frequency",
    ]  # fmt: skip
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
