"""Figures of a survey show the tables' numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jaxentropy.claims.metric import BASELINES, QUANTITIES
from jaxentropy.claims.survey import Survey, survey
from jaxentropy.plots.style import STEPS
from jaxentropy.plots.survey import NAMES, correlation_figure, correlation_forest, step_figure, step_shares
from tests.claims.test_survey import sweep


@pytest.fixture(scope="module")
def found() -> Survey:
    return survey(sweep(datasets=2), resamples=30)


@pytest.mark.parametrize("factor", ["activation", "width", "depth", "dataset", "total"])
@pytest.mark.parametrize("neurons", ["all", "active"])
def test_bars_are_the_shares(found, factor, neurons):
    table = found.shares[factor]
    ax = step_shares(table, neurons=neurons)
    bars: Iterator[Any] = iter(ax.patches)
    for state in ("trained", "untrained"):
        own = table.loc[(table.state == state) & (table.neurons == neurons)]
        for word in STEPS:
            assert [next(bars).get_height() for _ in range(len(own))] == pytest.approx(100 * own[word].to_numpy())
    assert next(bars, None) is None
    assert ax.get_xlabel().startswith({"dataset": "data set", "total": "networks"}.get(factor) or factor)
    networks = [int(label.get_text().split("(")[1][:-1]) for label in ax.get_xticklabels()]
    own = table.loc[(table.state == "trained") & (table.neurons == neurons) & (table.cells > 0)]
    assert networks == own.networks.tolist()
    assert "%" in ax.get_ylabel()


def test_points_are_the_correlations(found):
    table = found.correlations
    ax = correlation_forest(table, dataset="set01", target="generalisation_gap")
    for line, given in zip(ax.lines[1:], ("nothing", "size", "training accuracy"), strict=True):
        own = table.loc[(table.dataset == "set01") & (table.target == "generalisation_gap") & (table.given == given)]
        own = own.loc[(own.among == "configurations") & own.correlation.notna()]
        np.testing.assert_array_equal(np.sort(np.asarray(line.get_xdata())), np.sort(own.correlation))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert len(names) == 15
    assert names[-5:] == ["training loss", "training accuracy", "width", "number of parameters", "depth"]
    assert "generalisation gap" in ax.get_xlabel()


def test_rows_are_called_as_in_sentences_and_tables():
    assert {name: NAMES.get(name, name) for name in QUANTITIES | BASELINES} == QUANTITIES | BASELINES


def test_what_nothing_is_known_of_has_no_row_and_no_place_in_the_legend(found):
    table = found.correlations
    gone = table.quantity.str.startswith("pattern") | (table.given == "training accuracy")
    half = (table.quantity == "depth") & (table.target == "test_accuracy")  # known of the other target: keeps its row
    table = table.assign(correlation=table.correlation.where(~(gone | half)))
    figure = correlation_figure(table)
    names = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert len(names) == 13
    assert names[-1] == "depth"
    assert not [name for name in names if "pattern" in name]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.texts] == ["alone", "given size"]
    words = " ".join(legend.get_title().get_text().split())
    assert words.endswith("of: information of the pattern, last layer; information of the pattern, last layer, "
                          "minus untrained.")  # fmt: skip


def test_only_settings_that_vary_have_a_panel(found):
    one = survey(sweep(datasets=1), resamples=20)
    assert [ax.get_xlabel() for ax in step_figure(one.shares).axes] == [
        "networks", "activation", "width, neurons", "depth, hidden layers",
    ]  # fmt: skip
    gathered = sweep(datasets=1)
    first, deep = gathered.isel(member=0), gathered.depth == 3
    same = gathered.isel(member=np.flatnonzero((gathered.width == first.width) & deep))
    same = same.isel(member=np.flatnonzero(same.activation == same.activation[0]))
    figure = step_figure(survey(same, resamples=20).shares)
    assert [ax.get_xlabel() for ax in figure.axes] == ["networks"]
    figure.canvas.draw()


def test_long_names_are_broken_after_marks(found):
    table = found.shares["dataset"].replace({"set00": "task:sparse-parity:5-of-12:of-uniform-bits"})
    labels = step_shares(table).get_xticklabels()
    assert labels[0].get_text().replace(":\n", ":").replace("-\n", "-") != labels[0].get_text()
    assert {label.get_rotation() for label in labels} == {0}
    long = step_shares(table.replace({"set01": "x" * 60})).get_xticklabels()
    assert {label.get_rotation() for label in long} == {30}


def test_whole_figures(found, tmp_path):
    for figure in (step_figure(found.shares), correlation_figure(found.correlations)):
        figure.savefig(tmp_path / "figure.svg")
        assert all(ax.get_xlabel() for ax in figure.axes)
    correlation_figure(found.correlations, dataset="set00", among="seeds").canvas.draw()


def test_nothing_to_draw(found):
    empty = found.shares["width"].assign(cells=0)
    assert not step_shares(empty).patches
    unknown = found.correlations.assign(correlation=np.nan, low=np.nan, high=np.nan)
    assert isinstance(unknown, pd.DataFrame)
    correlation_forest(unknown).figure.canvas.draw()
    figure = correlation_figure(unknown)
    figure.canvas.draw()
    assert figure.get_supxlabel().startswith("Nothing can be said")


def test_marks_without_a_bar_are_explained(found):
    table = found.correlations
    every = table.assign(low=table.correlation.fillna(0) - 0.1, high=table.correlation.fillna(0) + 0.1)
    for own, said in ((table.assign(low=np.nan, high=np.nan), True), (every, False)):
        words = correlation_figure(own).legends[0].get_title().get_text().replace("\n", " ")
        assert ("Marks without a bar: too few configurations for an interval." in words) == said
