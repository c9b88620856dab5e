"""The table and the text of a summary."""

import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy.reports.summary import layer_table, summary
from tests.conftest import random_recording


@pytest.fixture(scope="module")
def profile() -> xr.Dataset:
    """Two seeds, three layers, and four classes, the last of which is empty."""
    labels = np.arange(90) % 3
    group = [random_recording(s, labels=labels, classes=4) for s in (0, 1)]
    group = [
        je.Recording(r.layers, r.widths, r.words, r.labels, ("a", "b", "c", "none"), {"seed": s})
        for s, r in enumerate(group)
    ]
    return je.profile({"trained": group}, bootstrap=50, bounds=False)


def cells(table: str) -> list[dict[str, str]]:
    """A Markdown table's rows, by column."""
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_brackets_and_reliability_have_columns(profile):
    """Lower limits of 1 and 3 bits in the two seeds, upper ones of 20 and 30; one seed grades a class worse."""
    full = xr.zeros_like(profile.saturated, float)
    known = (profile.n > 0) & (profile.network != "shuffled")
    seed, label = xr.DataArray([0, 1], dims="seed"), xr.full_like(profile.saturated, "weak", dtype=object)
    label[{"class": 0}] = "usable"
    label[{"class": 1, "seed": 1}] = "indicative"
    label[{"class": 3}] = "bounds only"
    made = profile.assign(
        pattern_lower=(full + 1 + 2 * seed).where(known),
        pattern_upper=(full + 20 + 10 * seed).where(known),
        reliability=label,
    )
    rows = cells(layer_table(made))
    assert [row["pattern: bracket"] for row in rows] == ["2.0 – 25.0"] * 3 + ["—"] * 3
    assert [row["reliability"] for row in rows] == ["1 usable, 1 weak, 1 indicative"] * 6
    text = summary(made)
    assert "at least 95 %" in text
    assert "reliable, good, usable, weak, indicative, bounds only" in text


def test_without_brackets_there_is_no_column_of_them(profile):
    rows = cells(layer_table(profile))
    assert list(rows[0])[-5:] == ["unique", "coverage", "never on", "saturated", "reliability"]
    assert "pattern: bracket" not in rows[0]
    assert "*bracket*" not in summary(profile)


def test_the_answer_stands_first_and_tables_of_the_verdict_are_folded(profile):
    text = summary(profile)
    title, clear, unknown, then = text.split("\n\n")[:4]
    assert title == "# Entropy of activation patterns"
    assert [clear.split(" ")[0], unknown.split(" ")[0], then.split(" ")[0]] == [
        "**Clear:**",
        "**Unknown:**",
        "**Next:**",
    ]
    assert text.index("| network ") < text.index("What the columns say") < text.index("## Verdict")
    assert text.count("Clear:") == 1
    judged = text.partition("## Verdict")[2]
    assert judged.count("\n| step ") == judged.count("<summary>Table: step") == 1
    assert "No verdict" in summary(profile.assign_attrs(bootstrap=0))


def test_layers_of_different_widths_can_be_compared(profile):
    """By one estimator: the last that is shown."""
    rows = cells(layer_table(profile))
    assert [row["neurons"] for row in rows[:3]] == ["5", "40", "33"]
    at = profile.isel({"class": slice(3)}).sel(network="trained", estimator="plugin").mean(["seed", "class"])
    only = cells(layer_table(profile.sel(estimator=["plugin"])))
    for row, layer, width in zip(only, ("fc1", "fc2", "fc3"), (5, 40, 33), strict=False):
        bits, ceiling = float(at.pattern_entropy.sel(layer=layer)), min(width, np.log2(30))
        assert float(row["bits/neuron"].strip("()")) == pytest.approx(bits / width, abs=0.006)
        assert float(row["of ceiling"].strip("()")) == pytest.approx(bits / ceiling, abs=0.006)
