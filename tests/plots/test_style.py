"""Names at the ends of lines, and short names of layers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from jaxentropy.plots.style import name_ends, short_names


def places(*heights: float) -> list[float]:
    """Where the names of lines that end at these heights of an axis from 0 to 1 are written."""
    figure = plt.figure(figsize=(4, 2), layout="none")
    ax = figure.add_axes((0, 0, 0.5, 1))
    name_ends(ax, [(y, f"line {k}", "black") for k, y in enumerate(heights)])
    written = {text.get_text(): text.xyann[1] for text in ax.texts}  # pyright: ignore[reportAttributeAccessIssue]
    return [written[f"line {k}"] for k in range(len(heights)) if f"line {k}" in written]


def test_names_stand_where_their_lines_end():
    assert places(0.2, 0.8, 0.5) == pytest.approx([0.2, 0.8, 0.5])


def test_names_of_lines_that_meet_make_room_for_each_other():
    """A line of 7 points with its leading is 7 · 1.25 / 72 inches high, and the axes 2."""
    line = 7 * 1.25 / 72 / 2
    assert places(0.5, 0.5) == pytest.approx([0.5 + line / 2, 0.5 - line / 2])
    assert places(1.0, 1.0, 0.1) == pytest.approx([1 - line / 2, 1 - 3 * line / 2, 0.1])
    assert np.min(places(0.0, 0.0)) == pytest.approx(line / 2)


def test_a_line_that_ends_nowhere_has_no_name():
    assert places(np.nan, 0.3) == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("names", "short", "shared"),
    [
        (["fc1", "fc2"], ["fc1", "fc2"], ""),
        (["encoder.layer_1.mlp", "encoder.layer_2.mlp"], ["1", "2"], "encoder.layer_….mlp"),
        (["a_long_name_of_a_layer"], ["…me_of_a_layer"], ""),
        (["transformer/stem", "transformer/stem/out"], ["stem", "stem/out"], "transformer/"),
        (["differ_at_the_front_x1", "other_at_the_front_x2"], ["…_the_front_x1", "…_the_front_x2"], ""),
    ],
)
def test_long_names_lose_what_all_share(names, short, shared):
    assert short_names(names) == (short, shared)
