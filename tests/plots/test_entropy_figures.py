"""The figures that give the answer: what is drawn is the profile, and every name can be read."""

import itertools
import re

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.text import Text

import jaxentropy as je
from jaxentropy import plots
from jaxentropy.plots.finding import finding
from tests.conftest import random_recording

NETWORKS = ("trained", "untrained")


def heights(line) -> np.ndarray:
    return np.asarray(line.get_ydata(), float)


def within(profile, network) -> np.ndarray:
    """H(A|Y): the mean over classes, each as often as its inputs."""
    entropy = profile.neuron_entropy.sel(network=network)
    return entropy.fillna(0).weighted(profile.n).mean("class").values


def solid(ax, style="-") -> list[np.ndarray]:
    return [heights(line) for line in ax.lines if line.get_linestyle() == style]


def names(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def said(figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


@pytest.fixture(scope="module")
def streamed(bracketed) -> xr.Dataset:
    """One class, no seeds: brackets of a width of 1 bit from 5000 draws."""
    one = bracketed.sel(network=list(NETWORKS), **{"class": ["1"]}).copy()
    depth = xr.DataArray([9.0, 8.0, 6.0], dims="layer")
    trained = xr.DataArray([1.0, 0.0], dims="network")
    lower = (depth - trained).expand_dims({"class": 1}).transpose("network", "layer", "class")
    lower = lower.drop_vars(lower.coords)
    one = one.assign(pattern_lower=lower, pattern_upper=lower + 1, n=("class", [5000]))
    return one.assign_attrs(population_text="shifted images of class 1")


def test_lines_are_entropies_and_arrows_the_information(dataset):
    ax = plots.entropy_figure(dataset).axes[0]
    for line, dotted, network in zip(solid(ax), solid(ax, ":"), NETWORKS, strict=True):
        np.testing.assert_allclose(line, within(dataset, network))
        np.testing.assert_allclose(dotted, dataset.neuron_entropy_pooled.sel(network=network))
    arrows = [text for text in ax.texts if not text.get_text()]
    lengths = [arrow.xy[1] - arrow.xyann[1] for arrow in arrows]  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(lengths, dataset.neuron_information.sel(network=list(NETWORKS)).values.ravel())
    assert sorted(names(ax)) == sorted(["I(A;Y)", *(f"{n} {h}" for n in NETWORKS for h in ("H(A)", "H(A|Y)"))])


def test_bands_are_classes_and_bars_are_seeds():
    groups = {n: [random_recording(10 * k + s, n=120) for s in range(3)] for k, n in enumerate(NETWORKS)}
    profile = je.profile(groups, bootstrap=0, bounds=False)
    ax = plots.entropy_figure(profile).axes[0]
    classes = profile.neuron_entropy.sel(network="trained").mean("seed")
    band = np.asarray(ax.collections[0].get_paths()[0].vertices)[:, 1]
    assert set(band.round(9)) == {*classes.min("class").values.round(9), *classes.max("class").values.round(9)}
    bars, _ = (c for c in ax.collections if isinstance(c, LineCollection))
    each = (profile.neuron_entropy_pooled - profile.neuron_information).sel(network="trained")
    for segment, layer in zip(bars.get_segments(), profile.layer.values, strict=True):
        assert sorted(segment[:, 1]) == pytest.approx([float(f(each.sel(layer=layer))) for f in (np.min, np.max)])
    assert "bars: range of seeds" in said(ax.figure)


def test_silent_neurons_are_counted(recordings):
    states = {name: recording.states("fc2").copy() for name, recording in recordings.items()}
    states["trained"][:, :75] = False
    quiet = {n: je.Recording.from_activations({"fc2": s}, recordings[n].labels) for n, s in states.items()}
    ax = plots.entropy_figure(je.profile(quiet, bootstrap=0, bounds=False)).axes[1]
    trained, untrained = (bar.get_height() for bar in ax.patches)  # pyright: ignore[reportAttributeAccessIssue]
    assert trained == pytest.approx(25, abs=1)
    assert untrained < 1
    assert ax.get_ylabel() == "never\non (%)"


def test_brackets_are_bands_above_the_ceiling(bracketed):
    figure = plots.entropy_figure(bracketed)
    ax = figure.axes[2]
    drawn = iter(solid(ax))
    for network in NETWORKS:
        for limit in ("pattern_lower", "pattern_upper"):
            np.testing.assert_allclose(next(drawn), bracketed[limit].sel(network=network).mean("class"))
    (ceiling,) = solid(ax, "--")
    assert ceiling == pytest.approx([np.log2(80)] * 2)
    assert {"trained", "untrained", "width 5"} <= set(names(ax))  # that of fc2, 300, is out of range
    assert f"log₂ n = {np.log2(80):.1f}" in " ".join(names(ax))
    assert "95 % brackets (means over classes)" in said(figure)


def test_a_stream_takes_the_place_of_the_brackets(bracketed, streamed):
    figure = plots.entropy_figure(bracketed, streamed)
    drawn = solid(figure.axes[2])
    np.testing.assert_allclose(drawn, [[8, 7, 5], [9, 8, 6], [9, 8, 6], [10, 9, 7]])
    assert solid(figure.axes[2], "--")[0][0] == pytest.approx(np.log2(5000))
    assert "Class 1: 5,000 draws from shifted images of class 1" in said(figure)
    np.testing.assert_allclose(solid(figure.axes[0])[0], within(bracketed, "trained"))


def test_all_inputs_there_are_give_a_line_named_exact(bracketed, streamed):
    exact = streamed.assign(pattern_lower=streamed.pattern_upper).assign_attrs(population="enumeration")
    ax = plots.entropy_figure(bracketed, exact).axes[2]
    np.testing.assert_allclose(solid(ax), [[9, 8, 6], [10, 9, 7]])
    assert {"trained, exact", "untrained, exact"} <= set(names(ax))
    assert all(np.any(points.get_facecolor() != 1) for points in ax.collections[:2])  # none is hollow


def test_without_brackets_the_plugin_is_hollow_where_saturated(dataset):
    figure = plots.entropy_figure(dataset)
    ax = figure.axes[2]
    for line, points, network in zip(solid(ax), ax.collections, NETWORKS, strict=False):
        one = dataset.sel(network=network)
        np.testing.assert_allclose(line, one.pattern_entropy.sel(estimator="plugin").mean("class"))
        hollow = [bool(np.all(face == 1)) for face in points.get_facecolor()]
        assert hollow == one.saturated.any("class").values.tolist()
        assert 0 < sum(hollow) < 3
    assert "plug-in (hollow: sample too small)" in said(figure)


def test_two_classes_are_drawn_each_for_itself(bracketed):
    two = bracketed.isel({"class": [0, 2]})
    ax = plots.entropy_figure(two).axes[2]
    np.testing.assert_allclose(solid(ax)[0], two.pattern_lower.sel(network="trained").isel({"class": 0}))
    np.testing.assert_allclose(solid(ax)[2], two.pattern_lower.sel(network="trained").isel({"class": 1}))
    assert {f"{n}, class {c}" for n in NETWORKS for c in "02"} <= set(names(ax))


def test_the_hero_has_common_axes_and_a_finding_for_each(bracketed, dataset, streamed):
    other = dataset.isel(layer=[0, 1]).assign(neuron_entropy_pooled=dataset.neuron_entropy_pooled * 1.5)
    figure = plots.hero_figure({"MLP": bracketed, "CNN": other.isel(layer=[0, 1])}, {"MLP": streamed})
    assert figure.get_size_inches()[0] == 7
    left, right = figure.axes[:3], figure.axes[3:]
    for one, two in zip(left, right, strict=True):
        assert one.get_ylim() == two.get_ylim()
        assert one.get_ylabel()
        assert not two.get_ylabel()
    assert "MLP: Mean neuron entropy" in said(figure)
    assert "CNN: Mean neuron entropy" in said(figure)
    assert figure.get_suptitle() == "Entropy of activation patterns against depth"


def test_streams_that_do_not_fit_are_refused(bracketed, streamed):
    with pytest.raises(je.InputError, match="streamed has the layers fc1, fc2, the profile fc1, fc2, fc3"):
        plots.entropy_figure(bracketed, streamed.isel(layer=[0, 1]))
    with pytest.raises(je.InputError, match="streamed has 'cnn', the profiles only CNN"):
        plots.hero_figure({"CNN": bracketed}, {"cnn": streamed})
    with pytest.raises(je.InputError, match="there are no profiles"):
        plots.hero_figure({})


def long_names(count: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0).normal
    return {f"encoder.block_{i:02d}.mlp.dense_out": draw(size=(60, 5)) for i in range(count)}


@pytest.fixture(scope="module")
def unusual() -> dict[str, xr.Dataset]:
    """Profiles as they come, by what is unusual about them."""
    settings = {"bootstrap": 0, "bounds": False, "estimators": ("plugin",)}
    many = je.Recording.from_activations(deep := long_names(40), np.arange(60) % 3, layers=list(deep))
    twins = {name: random_recording(s, n=200, classes=100) for s, name in enumerate(NETWORKS)}
    empty = random_recording(0, labels=np.where(np.arange(90) % 2, 3, 0), classes=4)
    tally = je.Tally.of(random_recording(0))
    return {
        "40 layers": je.profile({"trained": many, "untrained": many}, **settings),
        "100 classes": je.profile(twins, **settings),
        "an empty class": je.profile({"trained": empty, "untrained": empty}, **settings),
        "one class": je.profile(random_recording(0, classes=1), **settings),
        "one layer": je.profile({"trained": random_recording(0, widths=(9,))}, **settings),
        "tallies": je.profile({"trained": tally, "untrained": tally}),
        "other names": je.profile(
            {name: random_recording(0) for name in ("resnet-checkpoint-120", "b", "c")}, **settings
        ),
        "other estimators": je.profile(random_recording(0), bootstrap=0, bounds=False, estimators=("miller_madow",)),
    }


def assert_readable(figure) -> None:
    """All text is whole, of 7 points or more, and none lies on other text."""
    figure.canvas.draw()
    page = figure.bbox
    unseen = {
        tick.label1
        for ax in figure.axes
        for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim()))
        for tick in axis.get_major_ticks()
        if not low <= tick.get_loc() <= high
    }
    texts = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible() and artist.get_text())
    texts = [text for text in texts if text not in unseen]
    shown = []
    for text in texts:
        box = Text.get_window_extent(text)  # of an annotation too: without its line
        if box.width and not (text.get_rotation() % 90):  # boxes of tilted names overlap where the names do not
            shown.append((text.get_text(), box))
        assert text.get_fontsize() >= 7, text
        assert page.x0 <= box.x0, text
        assert box.x1 <= page.x1, text
        assert page.y0 <= box.y0, text
        assert box.y1 <= page.y1, text
    for (one, a), (two, b) in itertools.combinations(shown, 2):
        apart = min(a.x1, b.x1) - max(a.x0, b.x0) < 1 or min(a.y1, b.y1) - max(a.y0, b.y0) < 1
        assert apart, (one, two)
    plots.close(figure)


@pytest.mark.thorough
def test_every_name_can_be_read(bracketed, streamed, unusual):
    profiles = unusual | {"brackets": bracketed}
    for profile in profiles.values():
        assert_readable(plots.entropy_figure(profile))
        assert_readable(plots.information_figure(profile))
        assert_readable(plots.firing_figure(profile))
    assert_readable(plots.entropy_figure(bracketed, streamed))
    assert_readable(plots.hero_figure(profiles))


def test_what_all_layers_names_share_stands_beside_them_once(unusual):
    ax = plots.entropy_figure(unusual["40 layers"]).axes[2]
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert shown[0] == "00"
    assert all(re.fullmatch(r"\d\d", name) for name in shown)
    assert "encoder.block_….mlp.dense_out" in ax.get_xlabel()


def means(**within: list[float]) -> xr.Dataset:
    """A profile of so much entropy within a class by layer, and of pooled entropy 1."""
    entropy = xr.DataArray(list(within.values()), dims=("network", "layer"))
    return xr.Dataset(
        {"neuron_entropy_pooled": xr.ones_like(entropy), "neuron_information": 1 - entropy},
        coords={"network": list(within), "layer": [f"fc{k}" for k in range(entropy.sizes["layer"])]},
    )


FALL, RISE, ADDS = "falls at every step", "rises at every step", "training adds information"


@pytest.mark.parametrize(
    ("trained", "untrained", "title"),
    [
        ([0.5, 0.4, 0.3], [0.9, 0.8, 0.7], f"{FALL}, trained or not; {ADDS}"),
        ([0.5, 0.6, 0.3], [0.4, 0.5, 0.4], f"falls at 1 of 2 steps, trained or not; {ADDS} at 1 of 3 layers"),
        ([0.5, 0.4], [0.3, 0.3], f"{FALL}, trained; stays the same, untrained; training removes information"),
        ([0.5, 0.6], [0.5, 0.6], f"{RISE}, trained or not; training adds no information"),
        ([0.25], [0.5], f"of one layer: 0.25 bits trained, 0.50 bits untrained; {ADDS}"),
    ],
)
def test_the_title_says_what_the_means_show(trained, untrained, title):
    assert finding(means(trained=trained, untrained=untrained)) == f"Mean neuron entropy {title}"


def test_titles_of_other_networks():
    assert finding(means(a=[0.5, 0.4], b=[0.6, 0.5], c=[0.7, 0.6])) == f"Mean neuron entropy {FALL}, in all networks"
    assert finding(means(a=[0.5, 0.4], b=[0.6, 0.5], c=[0.7, 0.8])) == "Mean neuron entropy against depth"
    assert finding(means(trained=[0.5, 0.4], shuffled=[0.6, 0.7])) == f"Mean neuron entropy {FALL}"


def test_a_title_of_ones_own(dataset):
    assert plots.entropy_figure(dataset, title="Two networks").get_suptitle() == "Two networks"
