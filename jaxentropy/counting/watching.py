"""The same batches through a network whose parameters change: what each of its layers' counts are, again and again.

Batches, their labels and everything that hangs on these alone are laid out once. What is left for each call is one
compiled program a batch, for all layers, and two sorts on the host.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, UInt32

from jaxentropy.base.errors import InputError
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.neurons import add_neurons, by_neuron, no_neurons
from jaxentropy.counting.sorting import order_on_host
from jaxentropy.recording.forward import ApplyFunction, Step, layers_of, placed, refuse_nonfinite
from jaxentropy.recording.states import Quantizer


class LayerCounts(NamedTuple):
    """Counts of all layers of a network at once.

    Attributes:
        n: inputs of each class.
        on: inputs of each class for which each neuron was on; the neurons of all layers, one layer after the other.
        j: the multiplicities that occur anywhere, ascending.
        f: how many patterns of each layer and class were seen so often.
        pooled: the same of all classes together.
    """

    n: Int[np.ndarray, " clas"]
    on: Int[np.ndarray, "clas neuron"]
    j: Int[np.ndarray, " slot"]
    f: Int[np.ndarray, "layer clas slot"]
    pooled: Int[np.ndarray, "layer slot"]


class _Batch(NamedTuple):
    """A batch as the program takes it: padded inputs and labels, the order by label, which rows are inputs."""

    inputs: Any
    labels: jax.Array
    order: jax.Array
    real: jax.Array
    size: int


class Watched:
    """Batches that stay on the device, for networks of one structure."""

    def __init__(self, batches: Sequence[tuple[Any, np.ndarray]], num_classes: int):
        self.labels = np.concatenate([labels for _, labels in batches]).astype(np.int32)
        self.num_classes = num_classes
        self._n = np.bincount(self.labels, minlength=num_classes)
        rows = max(len(labels) for _, labels in batches)
        self._batches = [_laid_out(inputs, labels, rows, num_classes) for inputs, labels in batches]
        self._step: _AllLayers | None = None

    @property
    def pairs(self) -> list[tuple[Any, np.ndarray]]:
        """The batches as ``record`` takes them."""
        ends = np.cumsum([batch.size for batch in self._batches])[:-1]
        return [
            (b.inputs if b.size == len(b.inputs) else b.inputs[: b.size], own)
            for b, own in zip(self._batches, np.split(self.labels, ends), strict=True)
        ]

    @property
    def first(self) -> Any:
        """The inputs of the first batch."""
        return self._batches[0].inputs

    def prepare(
        self,
        apply_fn: ApplyFunction,
        variables: Any,
        layers: Sequence[str] | None,
        quantizer: Quantizer,
        positions: str | None = None,
    ) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Settle which layers are counted, and lay the batches where the variables are; names and widths of layers."""
        self._batches = [_placed(variables, batch) for batch in self._batches]
        if positions == "each":
            raise InputError("counts do not keep the input of each position; pool positions with any, mean or flatten")
        names, widths, places = layers_of(apply_fn, variables, self._batches[0].inputs, layers, positions)
        self._step = _AllLayers(names, widths, places, apply_fn, quantizer, positions, self.num_classes)
        return names, widths

    def count(self, variables: Any, where: str) -> LayerCounts:
        """Counts with these variables; InputError if an activation is not finite (``where`` says when)."""
        step = self._step
        assert step is not None, "prepare first"
        begun = [_counted(step, variables, *batch[:4]) for batch in self._batches]
        on = np.zeros((self.num_classes, sum(step.widths)), np.int64)
        prints = []
        for batch, (own_prints, own_on, bad) in zip(self._batches, begun, strict=True):
            if np.asarray(bad).any():
                for name, own in zip(step.layers, jax.jit(step.activations)(variables, batch.inputs), strict=True):
                    refuse_nonfinite(name, np.asarray(own)[: batch.size], where)
            on += np.asarray(own_on)
            prints.append(np.asarray(own_prints)[:, : batch.size])
        every = prints[0] if len(prints) == 1 else np.concatenate(prints, axis=1)
        return LayerCounts(self._n, on, *layer_multiplicities(every, self.labels, self.num_classes))


def layer_multiplicities(
    prints: UInt32[np.ndarray, "layer n 2"], labels: Int[np.ndarray, " n"], num_classes: int
) -> tuple[Int[np.ndarray, " slot"], Int[np.ndarray, "layer clas slot"], Int[np.ndarray, "layer slot"]]:
    """``multiplicities_of`` for all layers at once: (j, f by class, f over all classes), without unused slots."""
    layers, n = prints.shape[:2]
    keys = np.ascontiguousarray(prints).view(np.uint64)[..., 0]
    # the class takes the place of the fingerprint's last bits, as in `multiplicities_on_host`
    class_bits = np.uint64(num_classes.bit_length())
    place = np.uint64(64) - class_bits
    classes = labels.astype(np.uint64) << place
    own, whole = np.sort(classes | keys >> class_bits, axis=-1), np.sort(keys, axis=-1)
    starts = _starts(whole)
    if not np.array_equal(starts, _starts(whole >> class_bits)):  # patterns that differ in those bits only
        ranks = np.unique(keys, return_inverse=True)[1].reshape(keys.shape)
        own = np.sort(classes | ranks.astype(np.uint64), axis=-1)
    first, first_of_all = np.flatnonzero(_starts(own)), np.flatnonzero(starts)
    owners = (first // n) * num_classes + (own.ravel()[first] >> place).astype(np.int64)
    lengths, lengths_of_all = (np.diff(places, append=layers * n) for places in (first, first_of_all))
    seen = (np.bincount(lengths, minlength=n + 1) + np.bincount(lengths_of_all, minlength=n + 1)) > 0
    slot, slots = np.cumsum(seen) - 1, int(seen.sum())
    f = np.bincount(owners * slots + slot[lengths], minlength=layers * num_classes * slots)
    pooled = np.bincount(first_of_all // n * slots + slot[lengths_of_all], minlength=layers * slots)
    return np.flatnonzero(seen), f.reshape(layers, num_classes, slots), pooled.reshape(layers, slots)


def _starts(ordered: np.ndarray) -> np.ndarray:
    """Where a value differs from the one before it in its layer; the first one of each layer does."""
    found = np.ones(ordered.shape, bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=found[:, 1:])
    return found


@dataclass(frozen=True)
class _AllLayers(Step):
    """The step that gives the fingerprints and the neuron counts of all layers; labels come with their order."""

    num_classes: int

    def step_outputs(self, carry, words, labels, real):
        labels, order = labels
        empty = [no_neurons(self.num_classes, own.shape[1], len(own)) for own in words]
        counted = [add_neurons(total, own, labels, order) for total, own in zip(empty, words, strict=True)]
        on = [by_neuron(total, width) for total, width in zip(counted, self.widths, strict=True)]
        return carry, (jnp.stack([fingerprint(own) for own in words]), jnp.concatenate(on, axis=1))


@jax.jit(static_argnames="step")
def _counted(step, variables, inputs, labels, order, real):
    """Fingerprints, neuron counts and flags of one batch."""
    _, (prints, on), bad = step((), variables, inputs, (labels, order), real)
    return prints, on, bad


def _laid_out(inputs: Any, labels: np.ndarray, rows: int, num_classes: int) -> _Batch:
    """The batch on the device, filled up to so many rows."""
    size = len(labels)
    if rows > size:
        inputs = np.concatenate([inputs, np.zeros((rows - size, *inputs.shape[1:]), inputs.dtype)])
    filled = np.pad(labels.astype(np.int32), (0, rows - size), constant_values=num_classes)
    order, real = order_on_host(filled), np.arange(rows) < size
    return _Batch(jnp.asarray(inputs), jnp.asarray(filled), jnp.asarray(order), jnp.asarray(real), size)


def _placed(variables: Any, batch: _Batch) -> _Batch:
    """The batch where the variables were put."""
    inputs, labels, order, real = placed(variables, tuple(batch[:4]))
    return _Batch(inputs, labels, order, real, batch.size)
