"""Brackets of every layer and class, and a look for copies among the inputs."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from jaxentropy.base.files import cached
from jaxentropy.bounds.brackets import brackets
from jaxentropy.bounds.independence import find_copies
from jaxentropy.profiling.inputs import Recorded
from jaxentropy.profiling.pattern_measures import (
    Cell,
)
from jaxentropy.recording.packing import unpack


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


def classes_of_copies(words: Sequence[Sequence[Any]], first: Recorded, seed: int) -> np.ndarray:
    """Whether a class's inputs look like copies of each other, by the patterns of all layers of one seed together."""
    rows = [np.flatnonzero(first.labels == c) for c in range(first.num_classes)]
    together = (np.concatenate([layer[0][own] for layer in words], axis=1) for own in rows)
    return np.array([find_copies(packed, sum(first.widths), seed) is not None for packed in together])
