"""Recordings with several rows an input: which rows belong together, and one of each input's, drawn at random."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.profiling.inputs import Recorded
from jaxentropy.recording.recording import Recording

BY_ONE_POSITION = (
    "coverage", "coincident_pairs", "saturation", "saturated", "saturated_pooled", "reliability", "pattern_lower",
    "pattern_upper", "pattern_conditional_upper", "total_correlation_lower", "total_correlation_upper",
)  # fmt: skip
"""Variables that take rows for independent, and are therefore given of one position an input."""
_NOTE = "of one position drawn at random of each input: rows of one input are not independent"
_NOTES = {
    "n": "positions, not inputs: see inputs",
    "pattern_entropy": f"plug-in: of all positions; other estimators: {_NOTE}",
    "pattern_entropy_pooled": f"plug-in: of all positions; other estimators: {_NOTE}",
    "pattern_information": f"plug-in: of all positions; other estimators: {_NOTE}",
    "pattern_entropy_se": f"plug-in: none (NaN); other estimators: {_NOTE}",
    "copies": "inputs with all their positions side by side are compared",
    "neuron_entropy_corrected": "the plug-in of all positions, corrected as one position an input would have to be",
    **dict.fromkeys(BY_ONE_POSITION, _NOTE),
}


def by_input(recording: Recorded) -> np.ndarray | None:
    """The rows of each input, ``int[input, position]``; None if each row is an input.

    Raises:
        InputError: inputs with different numbers of rows. The mean over rows and a position drawn at random of each
            input would then be of different populations.
    """
    if not isinstance(recording, Recording) or recording.clusters is None:
        return None
    sizes = np.unique(recording.clusters, return_counts=True)[1]
    if (sizes != sizes[0]).any():
        raise InputError(
            f"profile: inputs have {sizes.min()} to {sizes.max()} positions; expected as many of each: take whole "
            "inputs, or equally many positions of each"
        )
    return np.argsort(recording.clusters, kind="stable").reshape(-1, sizes[0])


class Draws(NamedTuple):
    """What is to be taken for independent draws: all rows, or one of each input's.

    Attributes:
        patterns: by network, what is known of each layer and seed.
        labels: by network, ``int[seed, shuffle, n]``.
        first: a recording with these labels.
    """

    patterns: Mapping[str, Sequence[Sequence[Any]]]
    labels: Mapping[str, np.ndarray]
    first: Recorded

    def one_position(self, rows: np.ndarray, seed: int) -> "Draws":
        """One position of each input, the same for all networks and layers; ``rows`` are from ``by_input``."""
        assert isinstance(self.first, Recording)
        places = np.random.default_rng([seed, *b"position"]).integers(0, rows.shape[1], len(rows))
        chosen = rows[np.arange(len(rows)), places]
        same: dict[int, np.ndarray] = {}  # networks and their nulls share arrays

        def taken(words: np.ndarray) -> np.ndarray:
            if id(words) not in same:
                same[id(words)] = words[chosen]
            return same[id(words)]

        patterns = {name: [list(map(taken, layer)) for layer in layers] for name, layers in self.patterns.items()}
        labels = {name: own[..., chosen] for name, own in self.labels.items()}
        return Draws(patterns, labels, self.first.take(chosen))


def side_by_side(words: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    """``[n, word]`` → ``[input, position, word]``; with one position if each row is an input."""
    if rows is None:
        return words[:, None]
    ordered = (rows.ravel() == np.arange(rows.size)).all()
    return (words if ordered else words[rows.ravel()]).reshape(*rows.shape, words.shape[1])


def notes_of(name: str) -> dict[str, str]:
    """What is to be said of a variable of a profile with several rows an input."""
    return {"note": _NOTES[name]} if name in _NOTES else {}
