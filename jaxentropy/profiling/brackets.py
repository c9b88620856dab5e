"""Brackets of every layer and class, and a look for copies among the inputs."""

import math
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from jaxentropy.base.files import cached
from jaxentropy.bounds.brackets import LOWER_SHARE, brackets
from jaxentropy.bounds.coincidences import entropy_lower_bound
from jaxentropy.bounds.conditional import conditional_limits
from jaxentropy.bounds.drawn import Known, drawn_limits, known_of
from jaxentropy.bounds.independence import find_copies
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.multiplicities import multiplicities_on_host
from jaxentropy.counting.ranges import keys_of, tables
from jaxentropy.counting.tallies import Tally
from jaxentropy.profiling.clusters import side_by_side
from jaxentropy.profiling.comparable import Recorded
from jaxentropy.profiling.pattern_measures import Cell
from jaxentropy.recording.packing import unpack, unpack_on_host


def pattern_brackets(
    words: Mapping[str, Sequence[Any]],
    first: Recorded,
    confidence: float,
    seed: int,
    checkpoints: str | os.PathLike | None,
    progress: bool,
) -> Cell:
    """Brackets of the joint entropy and of the total correlation; NaN for shuffled labels, which need none."""
    names = ("pattern_lower", "pattern_upper", "total_correlation_lower", "total_correlation_upper")
    seeds = len(next(iter(words.values()))[0])
    found = np.full((len(names), len(words), seeds, len(first.layers), first.num_classes), np.nan)
    rows = [np.flatnonzero(first.labels == c) for c in range(first.num_classes)]
    recorded = [(i, layers) for i, (name, layers) in enumerate(words.items()) if name != "shuffled"]
    cells = [(i, s, k, own[s]) for i, layers in recorded for k, own in enumerate(layers) for s in range(seeds)]
    folder = Path(checkpoints) if checkpoints is not None else None
    for i, s, k, packed in tqdm(cells, desc="brackets", unit="layer", disable=not progress):

        def bracketed(packed=packed, width=first.widths[k]):
            states = np.asarray(unpack(packed, width))
            return np.array(brackets([states[r] for r in rows], confidence, seed)[: len(names)])

        settings = (version("jaxentropy"), "any size", first.widths[k], first.num_classes, confidence, seed)
        key = (repr(settings).encode(), packed.tobytes(), first.labels.tobytes())
        found[:, i, s, k] = cached(folder, key, bracketed)
    return {name: (("network", "seed", "layer", "class"), values) for name, values in zip(names, found, strict=True)}


def conditional_uppers(
    words: Mapping[str, Sequence[Any]],
    first: Recorded,
    confidence: float,
    seed: int,
    checkpoints: str | os.PathLike | None,
    progress: bool,
) -> Cell:
    """Bounds on the next layer's entropy given this one's; NaN for shuffled labels; nothing if there is one layer."""
    if len(first.layers) < 2:
        return {}
    seeds = len(next(iter(words.values()))[0])
    found = np.full((len(words), seeds, len(first.layers) - 1, first.num_classes), np.nan)
    rows = [np.flatnonzero(first.labels == c) for c in range(first.num_classes)]
    recorded = [(i, layers) for i, (name, layers) in enumerate(words.items()) if name != "shuffled"]
    cells = [
        (i, s, k, (own[s], following[s]))
        for i, layers in recorded
        for k, (own, following) in enumerate(pairwise(layers))
        for s in range(seeds)
    ]
    folder = Path(checkpoints) if checkpoints is not None else None
    for i, s, k, packed in tqdm(cells, desc="what layers add", unit="step", disable=not progress):
        widths = first.widths[k : k + 2]

        def bounded(packed=packed, widths=widths):
            this, following = (np.asarray(unpack(own, width)) for own, width in zip(packed, widths, strict=True))
            return conditional_limits([this[r] for r in rows], [following[r] for r in rows], confidence, seed)

        settings = (version("jaxentropy"), "conditional", *widths, first.num_classes, confidence, seed)
        key = (repr(settings).encode(), *(own.tobytes() for own in packed), first.labels.tobytes())
        found[i, s, k] = cached(folder, key, bounded)
    return {"pattern_conditional_upper": (("network", "seed", "step", "class"), found)}


def tally_brackets(
    networks: Mapping[str, Sequence[Tally]],
    confidence: float,
    seed: int,
    checkpoints: str | os.PathLike | None,
    progress: bool,
) -> Cell:
    """Brackets of tallies: lower limits from all inputs, upper ones from those of which the bits are there."""
    folder = Path(checkpoints) if checkpoints is not None else None
    every = [(own, name) for name, group in networks.items() for own in group]
    found = [
        np.stack([lower_limits(own, confidence), upper_limits(own, confidence, seed, folder)])
        for own, _ in tqdm(every, desc="brackets", unit="network", disable=not progress)
    ]
    stacked = np.stack(found).reshape(len(networks), -1, *found[0].shape)
    dims = ("network", "seed", "layer", "class")
    upper = stacked[:, :, 1]
    return {"pattern_lower": (dims, np.minimum(stacked[:, :, 0], upper)), "pattern_upper": (dims, upper)}


def lower_limits(counted: Tally, confidence: float) -> np.ndarray:
    """Lower bounds ``[layer, class]`` in bits, from coincidences; NaN for an empty class."""
    error = LOWER_SHARE * _error_of_look(counted, confidence)
    n = np.bincount(counted.labels, minlength=counted.num_classes)
    rows = []
    for prints in counted.prints:
        own, _ = multiplicities_on_host(prints, counted.labels, counted.num_classes)
        j, by_class = np.asarray(own.j), np.asarray(own.f)
        rows.append([entropy_lower_bound(j, f, error) if size else np.nan for f, size in zip(by_class, n, strict=True)])
    return np.array(rows)


def upper_limits(
    counted: Tally, confidence: float, seed: int, folder: Path | None = None, layers: Sequence[int] | None = None
) -> np.ndarray:
    """Upper bounds ``[layer, class]`` in bits, from the draws whose bits are there; one bit a neuron without any.

    Of some of the layers, by their numbers; or of all.
    """
    error = (1 - LOWER_SHARE) * _error_of_look(counted, confidence)
    chosen = range(len(counted.layers)) if layers is None else layers
    recorded = counted.recorded
    n = np.bincount(counted.labels, minlength=counted.num_classes)
    if recorded is None:
        return np.where(n > 0, np.array([counted.widths[k] for k in chosen], float)[:, None], np.nan)
    rows = [np.flatnonzero(recorded.labels == c) for c in range(counted.num_classes)]

    def bounded(packed: np.ndarray, width: int, known: list[Known]) -> np.ndarray:
        states = unpack_on_host(packed, width)
        return np.where(n > 0, drawn_limits([states[r] for r in rows], known, error, seed), np.nan)

    limits = []
    for k in chosen:
        packed, width, prints = recorded.words[k], recorded.widths[k], counted.prints[k]
        own = np.asarray(fingerprint(packed, int(counted.meta["hash_seed"])))
        known = known_of([keys_of(own[r]) for r in rows], tables(prints, counted.labels, counted.num_classes))
        settings = (version("jaxentropy"), "upper of draws", width, counted.num_classes, error, seed)
        seen = b"".join(k.probability.tobytes() for k in known)
        key = (repr(settings).encode(), packed.tobytes(), recorded.labels.tobytes(), seen)
        limits.append(
            cached(folder, key, lambda packed=packed, width=width, known=known: bounded(packed, width, known))
        )
    return np.array(limits)


def _error_of_look(counted: Tally, confidence: float) -> float:
    """Where the number of draws hung on what was seen, the error probability is shared out over the looks."""
    return (1 - confidence) * counted.meta.get("error_share", 1.0)


def classes_of_copies(
    words: Sequence[Sequence[Any]], first: Recorded, seed: int, rows: np.ndarray | None = None
) -> np.ndarray:
    """Whether a class's inputs look like copies of each other, by the patterns of all layers of one seed together.

    With ``rows``, ``int[input, position]``, inputs are compared by all their positions side by side: a position drawn
    at random of each would differ between copies.
    """
    labels = first.labels if rows is None else first.labels[rows[:, 0]]
    by_input = [side_by_side(layer[0], rows) for layer in words]
    members = [np.flatnonzero(labels == c) for c in range(first.num_classes)]
    together = (
        np.concatenate([layer[own].reshape(len(own), math.prod(layer.shape[1:])) for layer in by_input], axis=1)
        for own in members
    )
    width = sum(first.widths) * by_input[0].shape[1]
    return np.array([find_copies(packed, width, seed) is not None for packed in together])
