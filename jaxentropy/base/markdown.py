"""Markdown that reads well as plain text too."""

import re

import numpy as np


def extent(n: np.ndarray) -> str:
    """The smallest and the largest of these numbers of inputs, or the one they all are."""
    low, high = int(n.min()), int(n.max())
    return f"{low}" if low == high else f"{low} to {high}"


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that reads well as plain text too: columns padded, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    numeric = [all(re.fullmatch(r"[\d.()—– ]*", row[i]) for row in rows) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + (":" if right else "-") for w, right in zip(widths, numeric, strict=True))
    return "\n".join([line(head), f"|{rule}|", *(line(row) for row in rows)])
