"""Batches through a network → a Recording."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from jaxentropy.base.arrays import Array
from jaxentropy.base.errors import InputError
from jaxentropy.recording.constant import one_pattern, warn_of_constant
from jaxentropy.recording.forward import (
    ApplyFunction,
    Gathered,
    Step,
    drive,
    layers_of,
    peeked,
)
from jaxentropy.recording.recording import (
    Recording,
    checked_labels,
    class_names_of,
    enumeration_weights,
    json_values,
)
from jaxentropy.recording.states import Quantizer, Sign
from jaxentropy.recording.storage import Spill


def record(
    apply_fn: ApplyFunction,
    variables: Any,
    batches: Iterable[tuple[Any, Any]],
    *,
    layers: Sequence[str] | None = None,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    class_names: Iterable[Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    spill: str | os.PathLike | None = None,
    exhaustive: bool = False,
    weights: Array | Sequence[float] | None = None,
    progress: bool = False,
) -> Recording:
    """Drive batches through a network and record the pattern of each layer for each input.

    >>> def network(variables, inputs):
    ...     hidden = inputs @ variables
    ...     return hidden.sum(1), {"fc1": hidden}
    >>> batches = [(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0, 1])), (np.array([[2.0, 1.0]]), np.array([1]))]
    >>> recording = je.record(network, np.eye(2), batches)
    >>> recording
    Recording(3 inputs, 2 classes; neurons: fc1 2)
    >>> recording.states("fc1")
    array([[ True, False], [False,  True], [ True,  True]])

    Activations become states and packed words inside the compiled forward pass; only bits leave it. A batch
    shorter than the first is filled up and its filling dropped, so that one program serves all of them. Give the
    same ``apply_fn`` object again and nothing is compiled again.

    Args:
        apply_fn: ``apply_fn(variables, inputs) -> (output, {layer: activations [batch, width]})``, traceable by
            ``jax.jit``; see ``jaxentropy.capture.sown`` for Flax modules.
        variables: the network's parameters (any pytree).
        batches: pairs of inputs ``[batch, ...]`` and labels ``int[batch]``.
        layers: which layers, and in which order. By default all, in the order in which the network computes them,
            whatever the order of the mapping (``jax.jit`` and ``jax.vmap`` leave it alphabetical).
        quantizer: how activations become states.
        class_names: one for each class; by default the numbers 0 to the largest label.
        meta: stored with the bits (JSON values).
        mesh: devices of this process that share every batch (``jax.make_mesh``); by default one device.
        spill: a folder that the bits are written to, batch by batch, instead of being held in memory; the recording
            reads them from there, as ``Recording.load(folder)`` does later.
        exhaustive: the batches hold every input there is, each once: an enumeration, whose entropies are exact.
        weights: of exhaustive inputs, their probabilities up to a common factor; by default all are equal.
        progress: show a progress bar on standard error.

    Raises:
        InputError: no batch, no layer, a layer that is not ``[batch, neurons]``, a name in ``layers`` that the
            network does not give, layers whose order of depth cannot be found, labels that do not match the inputs,
            NaN or infinite activations.

    Warns:
        ConstantLayerWarning: a layer has the same pattern for all of two or more inputs.
    """
    if spill is not None and exhaustive:
        raise InputError("record: an enumeration is held in memory; leave spill out")
    gathered = Gathered(batches)
    (inputs, _), batches = peeked(batches)
    step = _Words(*layers_of(apply_fn, variables, inputs, layers), apply_fn, quantizer)
    header = {"quantizer": repr(quantizer), **(meta or {})}
    parts = drive(step, (), variables, batches, mesh=mesh, progress=progress)
    if spill is not None:
        with Spill(spill, step.layers, step.widths) as folder:
            largest = 0
            for batch_labels, batch_words, _ in parts:
                folder.append(checked_labels(batch_labels), batch_words)
                largest = max(largest, int(batch_labels.max()))
            folder.finish(class_names_of(class_names, largest), json_values(header))
        recording = Recording.load(spill)
    else:
        for batch_labels, batch_words, _ in parts:
            gathered.add((batch_labels, *batch_words))
        labels, *words = gathered.arrays()
        labels = checked_labels(labels)
        names = class_names_of(class_names, int(labels.max()))
        every = enumeration_weights(exhaustive, weights, len(labels))
        recording = Recording(step.layers, step.widths, tuple(words), labels, names, header, every)
    patterns = list(map(one_pattern, recording.words, recording.widths))
    warn_of_constant(recording.layers, patterns, recording.n, quantizer)
    return recording


class _Words(Step):
    """The step that returns packed words."""

    def step_outputs(self, carry, words, labels, real):
        return carry, tuple(words)
