"""Figures of a survey show the tables' numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jaxentropy.claims.survey import Survey, survey
from jaxentropy.plots.style import STEPS
from jaxentropy.plots.survey import correlation_figure, correlation_forest, step_figure, step_shares
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
    assert ax.get_xlabel().startswith("data set" if factor == "dataset" else factor)
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
    assert names[-5:] == ["train loss", "train accuracy", "width", "parameters", "depth"]
    assert "generalisation gap" in ax.get_xlabel()


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
