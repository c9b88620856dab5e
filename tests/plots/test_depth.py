import numpy as np
import pytest
from matplotlib.colors import to_hex

from jaxentropy import plots
from jaxentropy.claims.depth_validation import validate_depth
from tests.claims.sweeps import planted_sweep


def across(line) -> list[float]:
    return np.asarray(line.get_xdata(), float).tolist()


def heights(line) -> list[float]:
    return np.asarray(line.get_ydata(), float).tolist()


@pytest.fixture(scope="module")
def found():
    return validate_depth(planted_sweep(4, 3, seeds=2), resamples=200)


def test_rules_are_rows_in_the_order_of_what_they_cost(found):
    ax = plots.regret_by_rule(found.table)
    names = [label.get_text() for label in ax.get_yticklabels()]
    regret = found.table.regret.sel(of="all").to_series().sort_values(kind="stable")
    saved = [f", saves {found.get('layers_saved', str(rule)).mean:.1f}" for rule in regret.index]
    titles = [f"{r} (ours)" if r == "gain" else str(r).replace("_", " ") for r in regret.index]
    assert names == [title + one for title, one in zip(titles, saved, strict=True)]
    lines = {tuple(np.round(across(line), 9)) for line in ax.lines}
    for rule in found.table.rule.values:
        mean, low, high = found.get("regret", rule)
        assert (round(low, 9), round(high, 9)) in lines
        assert (round(mean, 9),) in lines
    assert ax.get_xlabel() == "regret (points of test accuracy; dashed: 0.5)"
    ours = titles.index("gain (ours)")
    assert {to_hex(line.get_color()) for line in ax.lines if set(heights(line)) == {ours}} == {"#0b4f8a"}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the cheapest on top
    assert any(across(line) == [0.5, 0.5] for line in ax.lines)


def test_rules_that_know_nothing_of_a_quantity_have_no_row(found):
    table = found.table.assign(probe_loss=found.table.probe_loss.where(found.table.rule != "two"))
    ax = plots.regret_by_rule(table, of="a", quantity="probe_loss", margin=1)
    assert not [label for label in ax.get_yticklabels() if label.get_text().startswith("two")]
    assert ax.get_xlabel() == "loss by probe (points of test accuracy; dashed: 1)"


def test_a_mean_without_an_interval_has_no_bar(found):
    ends = ("regret_low", "regret_high")
    table = found.table.assign({end: found.table[end] * np.nan for end in ends})
    ax = plots.regret_by_rule(table)
    ax.figure.canvas.draw()
    assert [len(across(line)) for line in ax.lines].count(2) == 2  # only the target and the zero
    assert "No intervals above" in caption(plots.depth_figure(table, found.families))
    assert "No intervals above" not in caption(plots.depth_figure(found.table, found.families))


def dots(ax) -> list:
    return [line for line in ax.lines if line.get_marker() == "o"]


def caption(figure) -> str:
    return " ".join(figure.legends[0].get_title().get_text().split())


def test_accuracy_has_a_line_a_family_and_marks_the_advice(found):
    ax = plots.accuracy_by_depth(found.families, dataset="b", rule="information")
    assert len(ax.containers) == 3
    for container, k in zip(ax.containers, np.flatnonzero(found.families.dataset == "b"), strict=True):
        np.testing.assert_allclose(heights(container[0]), 100 * found.families.accuracy[k])
    assert [across(mark) for mark in dots(ax)] == [[3], [3], [3]]
    expected = 100 * found.families.accuracy.sel(family=found.families.dataset == "b", depth=3)
    assert [heights(mark)[0] for mark in dots(ax)] == pytest.approx(expected.values.tolist())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("FC layers", "test accuracy (%)")


def test_advice_is_drawn_where_a_network_was_trained(found):
    """Advice of a depth that was not trained is judged by the next greater one; a mean of several is hollow."""
    families = found.families.drop_vars("judged").sel(depth=[2, 4, 6])
    for advice, spread, depth, hollow in ((1, 0, 2, False), (2.5, 1, 4, True), (4, 0, 4, False)):
        advised = families.assign(advice=families.advice * 0 + advice, spread=families.spread * 0 + spread)
        marks = dots(plots.accuracy_by_depth(advised, dataset="a"))
        assert [across(mark) for mark in marks] == [[depth]] * 3
        assert [to_hex(mark.get_markerfacecolor()) == "#ffffff" for mark in marks] == [hollow] * 3
        heights_at = 100 * families.accuracy.sel(family=families.dataset == "a", depth=depth).values
        assert [heights(mark)[0] for mark in marks] == pytest.approx(heights_at.tolist())


def test_known_depths_have_a_dot_each_whose_area_is_their_share(found):
    share = np.zeros((*found.families.advice.shape, found.families.sizes["depth"]))
    share[..., 1], share[..., 4] = 0.75, 0.25
    families = found.families.assign(judged=(("family", "rule", "depth"), share))
    marks = dots(plots.accuracy_by_depth(families, dataset="a"))
    assert [across(mark)[0] for mark in marks] == [2, 5] * 3
    assert (marks[0].get_markersize() / marks[1].get_markersize()) ** 2 == pytest.approx(3)
    assert "their area the share" in caption(plots.depth_figure(found.table, families))


def test_the_depth_that_was_read_is_marked_where_it_is_not_the_deepest(found):
    assert not [line for line in plots.accuracy_by_depth(found.families).lines if line.get_marker() == "|"]
    families = found.families.assign_coords(read=("family", [5, *found.families.read.values[1:]]))
    [stroke] = [line for line in plots.accuracy_by_depth(families).lines if line.get_marker() == "|"]
    assert across(stroke) == [5]
    assert "did not learn" in caption(plots.depth_figure(found.table, families))


def test_families_are_told_apart_by_colour_and_dashes(found):
    names = [f"{name}, width {width}, activation {act}" for name in "ab" for width, act in ((8, "relu"), (16, "tanh"))]
    families = found.families.isel(family=[0, 1, 3, 4]).assign_coords(family=[*names])
    ax = plots.accuracy_by_depth(families, dataset="b")
    looks = [(to_hex(one[0].get_color()), one[0].get_linestyle()) for one in ax.containers]
    assert looks == [("#6a4fb3", "--"), ("#c96f00", "-")]
    legend = plots.depth_figure(found.table, families).legends[0]
    assert [text.get_text() for text in legend.texts] == ["activation relu", "activation tanh", "width 16", "width 8"]
    alone = found.families.isel(family=[0]).assign_coords(family=["a"])
    figure = plots.depth_figure(found.table, alone)
    assert not figure.legends  # one family needs none
    assert "gain" in figure.get_supxlabel()


def test_missing_depths_are_left_out(found):
    families = found.families.assign(accuracy=found.families.accuracy.where(found.families.depth != 2))
    ax = plots.accuracy_by_depth(families, rule="nobody's")
    assert all(across(c[0]) == [1, 3, 4, 5, 6] for c in ax.containers)
    assert not dots(ax)


def test_the_figure_has_a_panel_a_data_set(found):
    figure = plots.depth_figure(found.table, found.families)
    assert [ax.get_title("left") for ax in figure.axes] == [
        "What advice on depth costs, and the layers that it saves",
        "a",
        "b",
    ]
    figure.canvas.draw()  # no warning of a layout that does not fit
