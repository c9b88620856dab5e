"""Batches → a compiled step → its outputs for each batch, on one device or on a mesh of them.

The host is two batches ahead: while a device computes, it reads the next batch and stores the results of the last.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tqdm import tqdm

from jaxentropy.base.batches import how_many
from jaxentropy.base.errors import InputError
from jaxentropy.base.lookahead import ahead
from jaxentropy.base.memory import refuse_if_more_than_free, told_of_batches
from jaxentropy.recording.depth import in_depth_order, traced
from jaxentropy.recording.packing import pack, words_for
from jaxentropy.recording.positions import pooled, rows_of
from jaxentropy.recording.states import Quantizer, states_of

ApplyFunction = Callable[[Any, Any], tuple[Any, Mapping[str, Any]]]
_AHEAD = 2
_ROWS = 40


@dataclass(frozen=True)
class Step(ABC):
    """What is done with a batch; hashable, so that equal steps share a program.

    Attributes:
        layers: names, in the order of depth.
        widths: number of neurons of each layer.
        places: with positions ``"each"``, how many each input has; words are then ``[batch, place, word]``, else
            ``[batch, word]``.
        apply_fn: the network.
        quantizer: how activations become states.
        positions: what is done with them (see ``pooled``).
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    places: int | None
    apply_fn: ApplyFunction
    quantizer: Quantizer
    positions: str | None

    @property
    def words_an_input(self) -> int:
        """Words of 32 bits in the recording of one input."""
        return (self.places or 1) * sum(map(words_for, self.widths))

    @abstractmethod
    def step_outputs(self, carry: Any, words: Sequence[jax.Array], labels: Any, real: Any) -> tuple[Any, Any]:
        """(carry, outputs with one row an input), from packed words; ``real`` marks the rows that count."""

    def __call__(self, carry: Any, variables: Any, inputs: Any, labels: Any, real: Any) -> tuple[Any, Any, jax.Array]:
        """(carry, outputs with one row an input, whether each layer has activations that are not finite)."""
        activations = self.activations(variables, inputs)
        words = [pack(states_of(pooled(own, self.positions), self.quantizer)) for own in activations]
        carry, outputs = self.step_outputs(carry, words, labels, real)
        # before pooling, which would hide what is minus infinity at some positions
        flat = [own.reshape(len(own), -1) for own in activations]
        return carry, outputs, jnp.stack([any_nonfinite(own, real) for own in flat])

    def activations(self, variables: Any, inputs: Any) -> list[jax.Array]:
        """Of each layer, ``[batch, neuron]`` or ``[batch, position..., neuron]``."""
        given = self.apply_fn(variables, inputs)[1]
        return [_gathered(given[name]) for name in self.layers]


def drive(
    step: Step,
    carry: Any,
    variables: Any,
    batches: Iterable[tuple[Any, np.ndarray]],
    *,
    mesh: Mesh | None = None,
    bar: Mapping[str, Any] | None = None,
) -> Iterator[tuple[np.ndarray, Any, Any]]:
    """(labels, outputs, carry) of each batch, in order; labels and outputs are NumPy arrays.

    A batch shorter than the first is filled up and its filling dropped, so that one program serves all of them. With a
    mesh of this process's devices, each device takes its share of every batch, and ``carry`` has an axis of devices in
    front. ``bar`` has settings of a progress bar; without, there is none.

    Raises:
        InputError: no batch, labels that do not match the inputs, a batch larger than the first or than the device's
            memory, a mesh of other processes' devices, NaN or infinite activations.
    """
    devices = 1 if mesh is None else mesh.size
    if mesh is not None:
        mesh, variables, carry = _on_mesh(mesh, variables, carry)
    else:
        # where it will be after the first step, so that the second finds the same program
        carry = placed(variables, carry)

    rows = 0

    def begun() -> Iterator[_Waiting]:
        nonlocal carry, rows
        seen = 0
        for inputs, labels in tqdm(batches, **{"unit": "batch", "disable": bar is None, **(bar or {})}):
            labels, size = np.asarray(labels), len(labels)
            if len(inputs) != size:
                raise InputError(f"a batch has {len(inputs)} inputs and {size} labels; expected as many of each")
            rows = rows or -(-size // devices) * devices
            if size > rows:
                raise InputError(f"a batch has {size} inputs, the first one had {rows}; give the largest first")
            filling = rows - size
            if filling:
                inputs = np.concatenate([inputs, np.zeros((filling, *inputs.shape[1:]), inputs.dtype)])
            padded = np.pad(labels, (0, filling)) if filling else labels
            with told_of_batches(rows):
                carry, outputs, bad = _step(step, mesh, carry, variables, inputs, padded, np.arange(rows) < size)
            yield _Waiting(labels, outputs, bad, inputs, seen)
            seen += size
        if not seen:
            raise InputError("no batch was given; expected pairs of inputs and labels")

    for batch in ahead(begun(), _AHEAD):
        with told_of_batches(rows):  # some devices tell it only now
            labels, outputs = _fetched(step, variables, batch)
        yield labels, outputs, carry


def _gathered(activations: jax.Array) -> jax.Array:
    """Whole on each device, if their type says how they are sharded: words are made of neighbours."""
    mesh = jax.typeof(activations).sharding.mesh
    if not mesh.explicit_axes:
        return activations
    return jax.sharding.reshard(activations, NamedSharding(mesh, PartitionSpec()))


def placed(variables: Any, arrays: Any) -> Any:
    """The arrays on the one device where the variables were put, if they were: there lies what both give."""
    for leaf in jax.tree.leaves(variables):
        if isinstance(leaf, jax.Array) and leaf.committed and len(leaf.devices()) == 1:
            return jax.device_put(arrays, leaf.sharding)
    return arrays


def _on_mesh(mesh: Mesh, variables: Any, carry: Any) -> tuple[Mesh, Any, Any]:
    """The mesh, variables on each of its devices, and a carry for each."""
    if not all(d.process_index == jax.process_index() for d in mesh.devices.flat):
        raise InputError(
            "this mesh has devices of other processes; give each process a mesh of its own (jax.local_devices()) and "
            "its own share of the data, and combine the results afterwards (concatenate, Tally.merge)"
        )
    mesh = Mesh(mesh.devices, mesh.axis_names)  # whatever the types of its axes: each device has its rows
    by_device = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    variables = jax.device_put(variables, NamedSharding(mesh, PartitionSpec()))
    carry = jax.tree.map(lambda a: jax.device_put(jnp.stack([a] * mesh.size), by_device), carry)
    return mesh, variables, carry


class _Waiting(NamedTuple):
    """A batch under way: labels, outputs, flags of each device and layer, padded inputs, inputs before it."""

    labels: np.ndarray
    outputs: Any
    bad: jax.Array
    inputs: Any
    before: int


@partial(jax.jit, static_argnames=("step", "mesh"), donate_argnames="carry")
def _step(step, mesh, carry, variables, inputs, labels, real):
    """One step, on each device of the mesh with its own rows."""
    if mesh is None:
        carry, outputs, bad = step(carry, variables, inputs, labels, real)
        return carry, outputs, bad[None]
    rows, whole = PartitionSpec(mesh.axis_names), PartitionSpec()

    def local(carry, variables, inputs, labels, real):
        carry, outputs, bad = step(jax.tree.map(lambda a: a[0], carry), variables, inputs, labels, real)
        return jax.tree.map(lambda a: a[None], carry), outputs, bad[None]

    return jax.shard_map(
        local, mesh=mesh, in_specs=(rows, whole, rows, rows, rows), out_specs=(rows, rows, rows), check_vma=False
    )(carry, variables, inputs, labels, real)


def _fetched(step: Step, variables: Any, batch: _Waiting) -> tuple[np.ndarray, Any]:
    """Labels and outputs of the real rows, on the host; InputError if an activation was not finite."""
    size = len(batch.labels)
    if np.asarray(batch.bad).any():
        where = f" for inputs {batch.before} to {batch.before + size - 1}"
        for name, own in zip(step.layers, jax.jit(step.activations)(variables, batch.inputs), strict=True):
            refuse_nonfinite(name, np.asarray(own)[:size], where, batch.before)
    return batch.labels, jax.tree.map(lambda a: np.asarray(a)[:size], batch.outputs)


def refuse_nonfinite(layer: str, activations: np.ndarray, where: str = "", before: int = 0) -> None:
    """InputError if any of a layer's activations is NaN or infinite; there were ``before`` inputs before these."""
    finite = np.isfinite(activations)
    count = activations.size - np.count_nonzero(finite)
    if count:
        first = before + int(np.argmin(finite.all(1)))
        raise InputError(
            f"layer '{layer}': {count} of {activations.size} activations{where} are NaN or infinite, the first of them "
            f"for input {first} (counted from 0); they have no state, so mend the network or its inputs first"
        )


def any_nonfinite(activations: jax.Array, real: jax.Array) -> jax.Array:
    """Whether any of the real rows of ``[n, width]`` is NaN or infinite.

    At first by neuron, over a few rows at a time, which XLA on a processor does as fast as it reads; a plain reduction
    takes longer than packing.
    """
    bad = ~jnp.isfinite(activations) & real[:, None]
    whole = len(bad) // _ROWS * _ROWS
    some = jax.lax.optimization_barrier(bad[:whole].reshape(-1, _ROWS, bad.shape[1]).any(1))
    return some.any() | bad[whole:].any()


def layers_of(
    apply_fn: ApplyFunction, variables: Any, inputs: Any, wanted: Sequence[str] | None, positions: str | None = None
) -> tuple[tuple[str, ...], tuple[int, ...], int | None]:
    """Names, widths and number of positions (of ``"each"``) of the layers that ``apply_fn`` gives, in the order of
    depth, found by tracing it once."""
    leaves, tree = jax.tree.flatten(jax.eval_shape(lambda *given: given, variables, inputs))
    shapes, program = _traced(apply_fn, tree, tuple(leaves))
    if not shapes:
        raise InputError("record: the network gave no layers; sow its activations, or return them by name")
    order = tuple(wanted) if wanted is not None else in_depth_order(program, list(shapes))
    for name in order:
        if name not in shapes:
            raise InputError(f"record: no layer '{name}'; the network gives {', '.join(shapes)}")
    advice = " Or leave the layer out with layers=[...]"
    widths, places = rows_of("record", {name: shapes[name].shape for name in order}, positions, advice)
    return order, widths, places


@lru_cache(maxsize=64)
def _traced(
    apply_fn: ApplyFunction, tree: Any, leaves: tuple[jax.ShapeDtypeStruct, ...]
) -> tuple[dict[str, Any], core.ClosedJaxpr]:
    """Shapes of the layers and the program that gives them; cached, since tracing takes as long as several batches."""
    names: list[str] = []

    def trace(variables, inputs):
        result = apply_fn(variables, inputs)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
            raise InputError(
                "record: expected apply_fn(variables, inputs) -> (output, {layer: activations}); "
                f"it returned {type(result).__name__}"
            )
        names.extend(result[1])
        return tuple(result[1].values())

    program, shapes = traced(trace, *jax.tree.unflatten(tree, leaves))
    return dict(zip(names, shapes, strict=True)), program


class Gathered:
    """The arrays of all batches, concatenated in order.

    If the number of batches is known, rows are written straight to their place, so that memory holds them once. More
    than there is memory for is refused: at once if it is known, else while there is room for what there is.
    """

    def __init__(self, batches: Iterable[Any], remedy: str):
        self._batches = how_many(batches) or 0
        self._n = self._held = 0
        self._remedy = remedy
        self._whole: list[np.ndarray] = []
        self._more: list[Sequence[np.ndarray]] = []

    def add(self, arrays: Sequence[np.ndarray]) -> None:
        """One batch, not larger than the first: arrays ``[n, ...]``."""
        if not self._whole:
            self._refuse(self._batches * sum(a.nbytes for a in arrays), self._batches * len(arrays[0]))
            self._whole = [np.empty((self._batches * len(a), *a.shape[1:]), a.dtype) for a in arrays]
        end = self._n + len(arrays[0])
        fits = all(w.dtype == a.dtype and w.shape[1:] == a.shape[1:] for w, a in zip(self._whole, arrays, strict=True))
        if self._more or not fits or end > len(self._whole[0]):
            self._more.append(arrays)  # concatenated at the end, which takes as much again
            self._held += sum(a.nbytes for a in arrays)
            self._refuse(self._held, sum(len(first) for first, *_ in self._more))
            return
        for whole, own in zip(self._whole, arrays, strict=True):
            whole[self._n : end] = own
        self._n = end

    def _refuse(self, needed: int, inputs: int) -> None:
        refuse_if_more_than_free(needed, f"the results of {inputs} inputs", self._remedy)

    def arrays(self) -> list[np.ndarray]:
        """All rows of each."""
        known = [whole[: self._n] for whole in self._whole]
        return [np.concatenate(parts) for parts in zip(known, *self._more, strict=True)] if self._more else known


Batches = Iterable[tuple[Any, Any]]
"""Pairs of inputs ``[batch, ...]`` and labels ``int[batch]``."""


def peeked(batches: Batches) -> tuple[tuple[Any, Any], Batches]:
    """The first batch, and all of them; InputError if there are no batches."""
    every = iter(batches)
    for first in every:
        return first, chain([first], every)
    raise InputError("no batch was given; expected pairs of inputs and labels")
