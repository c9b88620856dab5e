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
    titles = [f"{r} (ours)" if r == "summed" else str(r).replace("_", " ") for r in regret.index]
    assert names == [title + one for title, one in zip(titles, saved, strict=True)]
    lines = {tuple(np.round(across(line), 9)) for line in ax.lines}
    for rule in found.table.rule.values:
        mean, low, high = found.get("regret", rule)
        assert (round(low, 9), round(high, 9)) in lines
        assert (round(mean, 9),) in lines
    assert ax.get_xlabel() == "regret (points of test accuracy; dashed: 0.5)"
    ours = titles.index("summed (ours)")
    assert {to_hex(line.get_color()) for line in ax.lines if set(heights(line)) == {ours}} == {"#0b4f8a"}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the cheapest on top
    assert any(across(line) == [0.5, 0.5] for line in ax.lines)


def test_rules_that_know_nothing_of_a_quantity_have_no_row(found):
    table = found.table.assign(probe_loss=found.table.probe_loss.where(found.table.rule != "two"))
    ax = plots.regret_by_rule(table, of="a", quantity="probe_loss", margin=1)
    assert not [label for label in ax.get_yticklabels() if label.get_text().startswith("two")]
    assert ax.get_xlabel() == "loss by probe (points of test accuracy; dashed: 1)"


def test_accuracy_has_a_line_a_family_and_marks_the_advice(found):
    ax = plots.accuracy_by_depth(found.families, dataset="b", rule="information")
    assert len(ax.containers) == 3
    for container, k in zip(ax.containers, np.flatnonzero(found.families.dataset == "b"), strict=True):
        np.testing.assert_allclose(heights(container[0]), 100 * found.families.accuracy[k])
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [across(mark) for mark in marks] == [[3], [3], [3]]
    expected = 100 * found.families.accuracy.sel(family=found.families.dataset == "b", depth=3)
    assert [heights(mark)[0] for mark in marks] == pytest.approx(expected.values.tolist())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("FC layers", "test accuracy (%)")


def test_missing_depths_are_left_out(found):
    families = found.families.assign(accuracy=found.families.accuracy.where(found.families.depth != 2))
    ax = plots.accuracy_by_depth(families, rule="nobody's")
    assert all(across(c[0]) == [1, 3, 4, 5, 6] for c in ax.containers)
    assert not [line for line in ax.lines if line.get_marker() == "o"]


def test_the_figure_has_a_panel_a_data_set(found):
    figure = plots.depth_figure(found.table, found.families)
    assert [ax.get_title("left") for ax in figure.axes] == [
        "What advice on depth costs, and the layers that it saves",
        "a",
        "b",
    ]
    figure.canvas.draw()  # no warning of a layout that does not fit
