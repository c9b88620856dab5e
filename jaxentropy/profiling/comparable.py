"""What two recordings must have in common to be compared, and what is said if they have not."""

from collections.abc import Mapping, Sequence

import numpy as np

from jaxentropy.counting.tallies import Tally
from jaxentropy.recording.recording import Recording

Recorded = Recording | Tally


def difference(one: Recorded, other: Recorded, called: tuple[str, str]) -> str | None:
    """In one line, why these two cannot be compared, and what to do; None if they can. ``called``: what they are.

    ::

        difference(recorded, shorter, ("'a'", "'b'"))
        # "'a' and 'b' did not see the same inputs in the same order (90 and 89 labels); only then are they …"
    """
    both = f"{called[0]} and {called[1]}"
    layers = _of_names("layer", one.layers, other.layers, called)
    if layers is not None:
        return f"{both} differ in layers: {layers}"
    for name, own, theirs in zip(one.layers, one.widths, other.widths, strict=True):
        if own != theirs:
            return f"{both} differ in widths: layer '{name}' has {own} neurons in the one and {theirs} in the other"
    classes = _of_names("class", one.class_names, other.class_names, called)
    if classes is not None:
        return f"{both} differ in classes: {classes}"
    if labels := _of_labels(one, other, called):
        return (
            f"{both} did not see the same inputs in the same order ({labels}); only then are they comparable, so "
            "record both on one data set, unshuffled"
        )
    if not np.array_equal(_clusters(one), _clusters(other)) or positions_of(one) != positions_of(other):
        return (
            f"{both} differ in what became of positions ({positions_of(one)}, {positions_of(other)}) or in the inputs "
            "that they are of; only alike are they comparable"
        )
    if (ours := population_of(one)) != (theirs := population_of(other)):
        return (
            f"{both} are of different populations ({_said(ours)}; {_said(theirs)}); only over one are they comparable"
        )
    if not np.array_equal(weights_of(one), weights_of(other)):
        return (
            f"{both} are of every input and of a sample, or weigh inputs differently; only over one population are "
            "they comparable"
        )
    return None


def population_of(recording: Recorded) -> dict[str, str]:
    """What the inputs are of: a ``sample``, or a ``stream`` with its description."""
    kept = {key: str(recording.meta[key]) for key in ("population", "population_text") if key in recording.meta}
    return {"population": "sample", **kept}


def weights_of(recording: Recorded) -> np.ndarray:
    """Of an enumeration; none of a sample."""
    weights = recording.weights if isinstance(recording, Recording) else None
    return np.zeros(0) if weights is None else weights


def positions_of(recording: Recorded) -> str | None:
    """What became of positions, if layers had any."""
    return "each" if len(_clusters(recording)) else recording.meta.get("positions")


def _clusters(recording: Recorded) -> np.ndarray:
    """Of a recording with several rows an input; none of others."""
    clusters = recording.clusters if isinstance(recording, Recording) else None
    return np.zeros(0) if clusters is None else clusters


def _of_names(what: str, ours: Sequence[str], theirs: Sequence[str], called: tuple[str, str]) -> str | None:
    """Which layer or class only one of them has, or that the order is another."""
    if tuple(ours) == tuple(theirs):
        return None
    for own, others, place in ((ours, theirs, called[0]), (theirs, ours, called[1])):
        alone = [name for name in own if name not in others]
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            return f"{what} '{alone[0]}'{more} is in {place} only"
    i = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    return f"the same in another order, number {i + 1} is '{ours[i]}' in {called[0]} and '{theirs[i]}' in {called[1]}"


def _of_labels(one: Recorded, other: Recorded, called: tuple[str, str]) -> str | None:
    """How many labels there are, or the first input of which they differ."""
    if one.n != other.n:
        return f"{one.n} and {other.n} labels"
    differing = np.flatnonzero(np.asarray(one.labels) != np.asarray(other.labels))
    if not len(differing):
        return None
    i = int(differing[0])
    names = (r.class_names[int(r.labels[i])] for r in (one, other))
    said = (f"'{name}' in {place}" for name, place in zip(names, called, strict=True))
    return f"{len(differing)} of {one.n} labels differ, first that of input {i}, counted from 0: {' and '.join(said)}"


def _said(population: Mapping[str, str]) -> str:
    return population.get("population_text", population["population"])
