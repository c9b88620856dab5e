"""Figures of memorisation show the table's numbers, and which groups say little."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

import jaxentropy as je
from jaxentropy import plots
from tests.claims.test_memorisation import sweep


@pytest.fixture(scope="module")
def table() -> xr.Dataset:
    two = je.memorisation(sweep()).table
    for name in ("information_true_label", "information_trained_label"):
        two = two.assign({f"{name}_low": two[name] - 0.01, f"{name}_high": two[name] + 0.01})
    return xr.concat([two, two.assign_coords(group=["more, digits, 0.2", "more, digits, 1"])], "group")


def lines(ax) -> list:
    return [line for line in ax.lines if line.get_marker() == "o"]


def labels(ax) -> dict[str, str]:
    return {text.get_text(): to_hex(text.get_color()) for text in ax.texts}


def test_lines_are_the_means_in_two_hues_darker_with_noise(table):
    ax = plots.memorisation_by_layer(table, dataset="digits")
    drawn = [np.asarray(line.get_ydata()) for line in lines(ax)]
    for k, (name, group) in enumerate((n, g) for n in ("true", "trained") for g in (0, 1)):
        np.testing.assert_array_equal(drawn[k], table[f"information_{name}_label"][group])
    assert ax.get_xticks().tolist() == [1, 2, 3, 4]
    own = labels(ax)
    assert set(own) == {"true, 0.2", "true, 0.6", "trained, 0.2", "trained, 0.6", "true, untrained"}
    assert (own["true, 0.6"], own["trained, 0.6"]) == ("#0b4f8a", "#c96f00")
    assert all(int(own[f"{n}, 0.2"][1:], 16) > int(own[f"{n}, 0.6"][1:], 16) for n in ("true", "trained"))
    reach = [np.asarray(part.get_paths()[0].vertices)[:, 1] for part in ax.collections]
    assert max(map(np.max, reach)) == pytest.approx(float(table.information_trained_label_high.max()))


@pytest.mark.parametrize(
    ("more", "solid"),
    [
        ({}, [True, True]),
        ({"train_accuracy": [0.95, 0.89]}, [True, False]),
        ({"train_accuracy": [0.95, 0.95], "changed_accuracy": [0.6, 0.4]}, [True, False]),
        ({"train_accuracy": [0.5, 0.5], "changed_accuracy": [0.6, np.nan]}, [True, False]),
        ({"changed_accuracy": [0.6, 0.6], "learnt": [True, False]}, [True, False]),
    ],
)
def test_groups_that_did_not_learn_by_heart_are_faint(table, more, solid):
    own = (
        table.drop_vars(["changed_accuracy", "learnt"])
        .isel(group=[0, 1])
        .assign({name: ("group", values) for name, values in more.items()})
    )
    figure = plots.memorisation_figure(own)
    assert [line.get_linestyle() == "-" for line in lines(figure.axes[0])] == solid * 2
    assert ("not learnt by heart" in figure.texts[0].get_text().replace("\n", " ")) == (not all(solid))


def test_the_figure_has_a_panel_a_data_set(table):
    figure = plots.memorisation_figure(table)
    assert [ax.get_title("left") for ax in figure.axes] == ["digits", "more, digits"]
    assert {"true, 1", "trained, 1"} < set(labels(figure.axes[1]))
    figure.canvas.draw()
    box = figure.texts[0].get_window_extent()
    assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1


def test_other_settings_have_panels_of_their_own(table):
    names = ["a, b, 0.1, width 8, activation relu", "a, b, 0.1, width 16, activation relu", "c, 1e-05", "c, 1"]
    figure = plots.memorisation_figure(table.assign_coords(group=names))
    titles = ["a, b, width 8, activation relu", "a, b, width 16, activation relu", "c"]
    assert [ax.get_title("left") for ax in figure.axes] == titles
    assert {"true, 1e-05", "true, 1"} < set(labels(figure.axes[2]))


def test_unknown_ends_have_no_band(table):
    ends = [name for name in table.data_vars if str(name).endswith(("_low", "_high"))]
    figure = plots.memorisation_figure(table.assign({name: table[name] * np.nan for name in ends}))
    assert not [one for ax in figure.axes for one in ax.collections]
    assert "Bands" not in figure.texts[0].get_text()


def test_what_is_not_in_the_table_is_not_drawn(table):
    bare = table[["information_true_label", "information_trained_label", "train_accuracy"]].isel(group=[0])
    [ax] = plots.memorisation_figure(bare).axes
    assert not ax.collections
    assert set(labels(ax)) == {"true, 0.2", "trained, 0.2"}
