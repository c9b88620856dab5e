"""Counts of every layer, seed and labelling of a recording or Tally: the next layer starts before one is finished."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jax.sharding import Mesh

from jaxentropy.base.padding import with_room
from jaxentropy.counting.counts import PatternCounts, counts_of, hash_and_count
from jaxentropy.counting.sharded import count_prints_sharded, count_words_sharded
from jaxentropy.recording.packing import WORD_BITS

LayerBits = np.ndarray | tuple[np.ndarray, np.ndarray]
"""What is known of a layer: its packed words ``[n, word]``, or fingerprints ``[n, 2]`` and neuron counts."""


def count_layers(
    layers: Iterable[tuple[Sequence[LayerBits], np.ndarray, int]], num_classes: int, mesh: Mesh | None = None
) -> Iterator[tuple[PatternCounts, PatternCounts]]:
    """Counts by class and over all classes, ``[seed, shuffle, ...]``, of each layer.

    Each layer is a triple: its bits for each seed, the labels ``[seed, shuffle, n]``, and its width. The next layer is
    started before the results of one are waited for.
    """
    waiting: deque[tuple[list[Finish], tuple[int, ...], int]] = deque()
    for bits, labels, width in layers:
        begun = [
            _begin(own, by, num_classes, mesh) for own, shuffled in zip(bits, labels, strict=True) for by in shuffled
        ]
        waiting.append((begun, labels.shape[:2], width))
        if len(waiting) > 1:
            yield _stacked(*waiting.popleft())
    while waiting:
        yield _stacked(*waiting.popleft())


Finish = Callable[[], tuple[PatternCounts, PatternCounts]]
"""Waits for what was begun."""


def _begin(bits: LayerBits, labels: np.ndarray, num_classes: int, mesh: Mesh | None) -> Finish:
    """Counting of one seed and one labelling."""
    if isinstance(bits, tuple):
        prints = bits[0]
        if not isinstance(prints, np.memmap):  # which may be larger than memory
            prints, labels = with_room(prints, labels, num_classes)
        on = bits[1].astype(np.int32)
        if mesh is not None:
            return partial(count_prints_sharded, prints, on, labels, num_classes, mesh)
        return partial(counts_of, prints, on, labels, num_classes)
    # of whole words, so that layers whose last words differ in length share a program
    width = WORD_BITS * bits.shape[1]
    if not isinstance(bits, np.memmap):
        bits, labels = with_room(bits, labels, num_classes)
    if mesh is not None:
        return partial(count_words_sharded, bits, labels, num_classes, width, mesh)
    return partial(counts_of, *hash_and_count(bits, labels, num_classes, width), labels, num_classes)


def _stacked(begun: Sequence[Finish], shape: tuple[int, ...], width: int) -> tuple[PatternCounts, PatternCounts]:
    """The counts of all seeds and labellings of a layer, on the host."""
    counts = jax.tree.map(lambda *x: np.stack(x).reshape(*shape, *x[0].shape), *[finish() for finish in begun])
    by_class, pooled = (c._replace(on=c.on[..., :width]) for c in counts)
    return by_class, pooled
