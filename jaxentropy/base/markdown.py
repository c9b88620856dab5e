"""Markdown that reads well as plain text too, and names that are too long."""

import re
from collections.abc import Sequence
from itertools import takewhile

import numpy as np


def extent(n: np.ndarray) -> str:
    """The smallest and the largest of these numbers of inputs, or the one they all are."""
    low, high = int(n.min()), int(n.max())
    return f"{low}" if low == high else f"{low} to {high}"


def shortened(text: str, room: int) -> str:
    """The text, or its beginning and its end where it is longer than ``room``: ``encoder/b…/dense_17``."""
    if len(text) <= room:
        return text
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[len(text) - end :]}"


def short_names(names: Sequence[str], room: int) -> list[str]:
    """Names of at most ``room`` characters: of long ones what they have in common is left out first."""
    if max(map(len, names)) <= room:
        return list(names)
    begin, end = 0, 0
    if len(set(names)) > 1:
        begin = _in_common(names)
        end = _in_common([name[:begin:-1] for name in names])
    inner = (f"{'…' * bool(begin)}{name[begin : len(name) - end]}{'…' * bool(end)}" for name in names)
    return [shortened(name, room) for name in inner]


def _in_common(names: Sequence[str]) -> int:
    """With how many characters all names begin, up to the last that is no letter, digit or underscore."""
    same = takewhile(lambda characters: len(set(characters)) == 1, zip(*names, strict=False))
    return len(re.sub(r"\w*$", "", "".join(characters[0] for characters in same)))


def folded(markdown: str) -> str:
    """The same Markdown with each of its tables behind a line to click on."""
    blocks = markdown.split("\n\n")
    for i, block in enumerate(blocks):
        if block.startswith("|"):
            head, _, *rows = block.strip().splitlines()
            title = f"Table: {head.strip('| ').split(' | ')[0].strip()}, {len(rows)} rows"
            blocks[i] = f"<details><summary>{title}</summary>\n\n{block.strip()}\n\n</details>"
    return "\n\n".join(blocks)


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that reads well as plain text too: columns padded, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    numeric = [all(re.fullmatch(r"[\d.()—– ]*", row[i]) for row in rows) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + (":" if right else "-") for w, right in zip(widths, numeric, strict=True))
    return "\n".join([line(head), f"|{rule}|", *(line(row) for row in rows)])
