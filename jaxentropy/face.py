"""The calls that take any network: ``record``, ``tally`` and ``layers``; where front and heart meet."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxentropy.base.arrays import Array
from jaxentropy.base.batches import pairs
from jaxentropy.base.errors import InputError
from jaxentropy.base.streams import Stream
from jaxentropy.capture.meeting import Met, found_in, given_in_order, met_with
from jaxentropy.capture.taps import Tapped, Wanted
from jaxentropy.counting import tallying
from jaxentropy.counting.tallies import Tally
from jaxentropy.recording import recorder
from jaxentropy.recording.packing import words_for
from jaxentropy.recording.recording import Recording
from jaxentropy.recording.states import Quantizer, Sign


def record(
    network: Any,
    variables: Any,
    batches: Iterable[Any],
    *,
    layers: Wanted = None,
    positions: str | None = None,
    keys: tuple[str, str] | None = None,
    labels: Any = None,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    class_names: Iterable[Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    spill: str | os.PathLike | None = None,
    exhaustive: bool = False,
    weights: Array | Sequence[float] | None = None,
    progress: bool = False,
    **keywords: Any,
) -> Recording:
    """Drive batches through a network and record the pattern of each layer for each input.

    >>> def network(variables, inputs):  # any function of JAX; or a Linen, NNX or Equinox module
    ...     hidden = jax.nn.relu(inputs @ variables["fc1"])
    ...     return hidden @ variables["output"]
    >>> variables = {"fc1": np.eye(2), "output": np.ones((2, 1))}
    >>> batches = [(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0, 1])), (np.array([[2.0, 1.0]]), np.array([1]))]
    >>> recording = je.record(network, variables, batches)
    >>> recording
    Recording(3 inputs, 2 classes; neurons: fc1 2)
    >>> recording.states("fc1")
    array([[ True, False], [False,  True], [ True,  True]])

    What is recorded by default are the pre-activations of the hidden fully connected layers, without the logits, in the
    order in which the network computes them: they are found in its program (``je.layers`` shows how). The state is what
    the nonlinearity sees: with a norm in between, the norm's output. A module that sows into ``intermediates``, and a
    function that returns ``(output, {layer: activations})``, have said what their layers are, and these are taken.

    Activations become states and packed words inside the compiled forward pass; only bits leave it. Batches may have
    any sizes; the first one sets the size of the compiled program's.

    Args:
        network: a Linen module (``variables`` are its own); an NNX or Equinox module, or any other callable pytree
            (``variables`` is None); or a function ``(variables, inputs) -> output``.
        variables: the network's parameters, or None.
        batches: pairs of inputs ``[batch, ...]`` and labels ``int[batch]`` or names; dictionaries with ``keys``; or
            inputs alone with ``labels``.
        layers: ``hidden``, ``all`` or ``conv``; a name, or names, and globs of them (``"encoder/*"``); or a function
            that says of a ``Layer`` whether it is meant. Names alone are recorded in their order here.
        positions: what the positions of layers ``[batch, position..., neuron]`` are: ``each`` a sample of its own,
            ``flatten`` into neurons, or pooled by ``any`` or ``mean``. Layers with positions are refused without.
        keys: of batches that are dictionaries, which entries are inputs and labels.
        labels: of all inputs, in order, where batches have none.
        quantizer: how activations become states.
        class_names: one for each class; by default the numbers 0 to the largest label, or the sorted names.
        meta: stored with the bits (JSON values).
        mesh: devices of this process that share every batch (``jax.make_mesh``); by default one device.
        spill: a folder that the bits are written to, batch by batch, instead of being held in memory; the recording
            reads them from there, as ``Recording.load(folder)`` does later.
        exhaustive: the batches hold every input there is, each once: an enumeration, whose entropies are exact.
        weights: of exhaustive inputs, their probabilities up to a common factor; by default all are equal.
        progress: show a progress bar on standard error; with the recording's size, if the number of batches is known.
        keywords: for the network's call, for example ``train=False``.

    Raises:
        InputError: a network that cannot be called so, no layer, a layer whose rows hang on each other, names that
            match no layer, batches that are none, labels that do not match the inputs, NaN or infinite activations,
            a recording or a batch that is larger than the memory that is free.

    Warns:
        ConstantLayerWarning: a layer has the same pattern for all of two or more inputs.
    """
    every = pairs(batches, keys, labels, class_names)
    met = met_with(network, variables, every.first(), layers, positions, keywords)
    names: Iterable[Any] | None = class_names
    if every.named:
        if spill is not None and class_names is None:
            raise InputError(
                "labels are names: give class_names, so that their numbers are known before they are written"
            )
        names = every.names  # grows while batches are read, and is read afterwards
    recording = recorder.record(
        met.apply_fn, met.variables, every, layers=met.layers, positions=positions, quantizer=quantizer,
        class_names=names, meta={**met.meta, **(meta or {})}, mesh=mesh, spill=spill, exhaustive=exhaustive,
        weights=weights, progress=progress,
    )  # fmt: skip
    return _sorted_classes(recording) if every.named and class_names is None else recording


def tally(
    network: Any,
    variables: Any,
    batches: Iterable[Any] | Stream,
    *,
    class_names: Iterable[Any] | None = None,
    layers: Wanted = None,
    positions: str | None = None,
    keys: tuple[str, str] | None = None,
    labels: Any = None,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    meta: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    seed: int = 0,
    until: Any = None,
    recorded: int = tallying.RECORDED,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = False,
    **keywords: Any,
) -> Tally:
    """Drive batches, or a stream's draws, through a network and count what ``profile`` needs, without storing the bits.

    >>> def network(variables, inputs):
    ...     hidden = jax.nn.relu(inputs @ variables["fc1"])
    ...     return hidden @ variables["output"]
    >>> variables = {"fc1": np.eye(2), "output": np.ones((2, 1))}
    >>> batches = [(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0, 1])), (np.array([[2.0, 1.0]]), np.array([1]))]
    >>> counted = je.tally(network, variables, batches, class_names=["cat", "dog"])
    >>> counted.on[0]  # by class and neuron: inputs for which the neuron was on
    array([[1, 0], [1, 2]])

    Networks, batches and layers are those of ``record``. Patterns are hashed and neurons counted inside the compiled
    forward pass, and the counts stay on the device until the last batch. Of a stream it makes draws until there are
    enough: 8 bytes a draw and layer, and 4 for its label, which are 52 bytes for six layers. They are kept in memory,
    or, with ``checkpoints``, in files: memory then holds those of one piece, and ``profile`` counts what is in the
    files by ranges of fingerprints, so that the memory of neither grows with the number of draws.

    Args:
        network: as for ``record``.
        variables: as for ``record``.
        batches: as for ``record``; or a ``Stream``, for example ``je.Augment().of(data)``.
        class_names: a name for each class (``range(10)`` will do); labels are numbers from 0, or these names. A stream
            has its own.
        layers: as for ``record``.
        positions: as for ``record``.
        keys: as for ``record``.
        labels: as for ``record``.
        quantizer: how activations become states.
        meta: stored with the counts (JSON values).
        mesh: devices of this process that share every batch; by default one device.
        seed: of the fingerprints.
        until: of a stream, how many draws of each class; or ``je.Until(...)``: until brackets part, or are narrow.
        recorded: of a stream, so many further draws of each class are recorded with their bits, for upper bounds; they
            are not among the counted ones. Models are fitted to half of them, and the other half is read.
        checkpoints: of a stream, a folder that keeps finished draws, so that a killed call goes on where it was; the
            Tally's fingerprints stay in it, memory-mapped.
        progress: show a progress bar on standard error.
        keywords: for the network's call, for example ``train=False``.

    Raises:
        InputError: as ``record``; labels that are no class; batches without ``class_names``; a stream without
            ``until``; a folder with checkpoints of other settings.

    Warns:
        ConstantLayerWarning: as ``record``.
    """
    given: dict[str, Any] = {"quantizer": quantizer, "mesh": mesh, "seed": seed, "progress": progress}
    if isinstance(batches, Stream):
        if keys is not None or labels is not None:
            raise InputError("tally: a stream has labels of its own; leave keys and labels out")
        drawn, numbers = batches.through(lambda _, inputs: inputs), jax.ShapeDtypeStruct((1, 2), jnp.uint32)
        inputs = jax.eval_shape(drawn, (None, batches.data), numbers)
        met = met_with(network, variables, inputs, layers, positions, keywords)
        given |= {"until": until, "recorded": recorded, "checkpoints": checkpoints, "class_names": class_names}
        source: Any = batches
    else:
        if class_names is None or until is not None or checkpoints is not None:
            raise InputError("tally: batches need class_names; until and checkpoints are for streams")
        names = [str(name) for name in class_names]
        source = pairs(batches, keys, labels, names)
        met = met_with(network, variables, source.first(), layers, positions, keywords)
        given |= {"class_names": names}
    return tallying.tally(
        met.apply_fn, met.variables, source, layers=met.layers, positions=positions,
        meta={**met.meta, **(meta or {})}, **given,
    )  # fmt: skip


class LayerTable(list[dict[str, Any]]):
    """Rows of ``je.layers``; printed as a table."""

    def __repr__(self) -> str:
        if not self:
            return "no layers"
        cells = [list(self[0]), *([_cell(name, value) for name, value in row.items()] for row in self)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def layers(network: Any, variables: Any, inputs: Any, **keywords: Any) -> LayerTable:
    """The layers that are found in a network, in the order in which it computes them, and what would be recorded.

    >>> def network(variables, inputs):
    ...     hidden = jax.nn.relu(inputs @ variables["fc1"])
    ...     return hidden @ variables["output"]
    >>> variables = {"fc1": np.eye(2), "output": np.ones((2, 1))}
    >>> je.layers(network, variables, np.array([[1.0, -1.0], [2.0, -1.0]]))
    name    kind  role    shape  neurons  never firing  bytes an input  value             recorded
    fc1     fc    hidden  2      2        50 %          4               what relu sees    yes
    output  fc    output  1      1        0 %           4               its output

    Args:
        network: as for ``record``.
        variables: as for ``record``.
        inputs: a batch ``[batch, ...]``, without labels.
        keywords: for the network's call.

    Returns:
        A list of dictionaries: ``name``; ``kind`` (``fc``, ``conv``, ``sown``); ``role``; ``shape`` for one input;
        ``neurons``; ``never firing``, the share of neurons that are on for none of these inputs; ``bytes an input`` in
        a recording; ``value``, which value is recorded; ``recorded``, whether ``record`` takes it by default.

    Raises:
        InputError: as ``record``.
    """
    inputs = inputs if hasattr(inputs, "dtype") else np.asarray(inputs)
    found = found_in(network, variables, inputs, keywords)
    if isinstance(found, Met):
        values = jax.jit(found.apply_fn)(found.variables, inputs)[1]
        rows = given_in_order(found, inputs)
        default = {row.name for row in rows}
    else:
        call, own, rows = found
        usable = tuple(row for row in rows if row.axes[0] >= 0 or row.positions_merged)
        values = jax.jit(Tapped(call, usable))(own, jnp.asarray(inputs))[1]
        default = {row.name for row in rows if row.role == "hidden" and row.kind == "fc"}
    table = LayerTable()
    for row in rows:
        never = (
            float((~(values[row.name] > 0)).reshape(-1, row.neurons).all(0).mean()) if row.name in values else np.nan
        )
        table.append(
            {
                "name": row.name, "kind": row.kind, "role": row.role, "shape": row.shape, "neurons": row.neurons,
                "never firing": never, "bytes an input": 4 * words_for(row.neurons) * math.prod(row.shape[:-1]),
                "value": row.value, "recorded": row.name in default,
            }
        )  # fmt: skip
    return table


def _sorted_classes(recording: Recording) -> Recording:
    """With the classes in the order of their names, whatever the order in which they were met."""
    order = np.argsort(recording.class_names)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    return replace(
        recording, labels=place[recording.labels], class_names=tuple(recording.class_names[i] for i in order)
    )


def _cell(name: str, value: Any) -> str:
    if name == "never firing":
        return "" if np.isnan(value) else f"{value:.0%}".replace("%", " %")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    return str(value)
