"""Batches through a network → a Recording."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxentropy.base.arrays import Array
from jaxentropy.base.batches import how_many
from jaxentropy.base.errors import InputError
from jaxentropy.base.memory import in_units
from jaxentropy.recording.constant import one_pattern, warn_of_constant
from jaxentropy.recording.forward import (
    ApplyFunction,
    Gathered,
    Step,
    drive,
    layers_of,
    peeked,
)
from jaxentropy.recording.positions import refuse_enumeration, repeated
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
    positions: str | None = None,
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

    Of a layer with positions (the places of a convolution, tokens), ``positions`` says what they are:

    >>> def convolution(variables, images):  # [2, 3 positions, 1 channel] -> [2, 3, 2]
    ...     return None, {"conv1": images * variables}
    >>> images = np.array([[[1.0], [-1.0], [2.0]], [[-1.0], [-2.0], [-3.0]]])
    >>> each = je.record(convolution, np.array([1.0, -1.0]), [(images, [0, 1])], positions="each")
    >>> each, each.clusters
    (Recording(6 positions of 2 inputs, 2 classes; neurons: conv1 2), array([0, 0, 0, 1, 1, 1], dtype=int32))
    >>> je.record(convolution, np.array([1.0, -1.0]), [(images, [0, 1])], positions="any").states("conv1")
    array([[ True,  True], [False,  True]])

    Activations become states and packed words inside the compiled forward pass; only bits leave it. A batch
    shorter than the first is filled up and its filling dropped, so that one program serves all of them. Give the
    same ``apply_fn`` object again and nothing is compiled again.

    Args:
        apply_fn: ``apply_fn(variables, inputs) -> (output, {layer: activations})``, traceable by ``jax.jit``; each
            layer's are ``[batch, neuron]``, or with ``positions``, ``[batch, position..., neuron]``. See
            ``jaxentropy.capture.sown`` for Flax modules.
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
        positions: of layers ``[batch, position..., neuron]`` (layers without positions stay as they are):

            - ``"each"``: each position is a sample, with its input as the cluster: ``inputs × positions`` rows, those
              of an input one after the other, with its label and its number in ``Recording.clusters``. All layers must
              have equally many positions. Errors and bounds of a profile go by inputs.
            - ``"flatten"``: one row an input, of ``positions × neurons`` neurons.
            - ``"any"``: one row an input; activations are pooled by their maximum over positions, so that a neuron is
              on if it is on at any position (by ``Sign``, ``Threshold``, or whatever else grows with the activation).
            - ``"mean"``: one row an input, of the mean activations over positions.
        exhaustive: the batches hold every input there is, each once: an enumeration, whose entropies are exact.
        weights: of exhaustive inputs, their probabilities up to a common factor; by default all are equal.
        progress: show a progress bar on standard error.

    Raises:
        InputError: no batch, no layer, a layer that is not ``[batch, neuron]`` and no ``positions``, with ``"each"``
            layers of different numbers of positions or an enumeration, a name in ``layers`` that the network does not
            give, layers whose order of depth cannot be found, labels that do not match the inputs,
            NaN or infinite activations.

    Warns:
        ConstantLayerWarning: a layer has the same pattern for all of two or more inputs.
    """
    if spill is not None and exhaustive:
        raise InputError("record: an enumeration is held in memory; leave spill out")
    refuse_enumeration("record", positions, exhaustive)
    gathered = Gathered(batches, "write the bits to a folder with spill=..., or count them with je.tally")
    number = how_many(batches)
    (inputs, _), batches = peeked(batches)
    step = _Words(*layers_of(apply_fn, variables, inputs, layers, positions), apply_fn, quantizer, positions)
    header = {"quantizer": repr(quantizer), **({"positions": positions} if positions else {}), **(meta or {})}
    size = "" if number is None else f" {in_units(4 * number * len(inputs) * step.words_an_input)}"
    bar = {"desc": f"recording{size}", "total": number} if progress else None
    parts = drive(step, (), variables, batches, mesh=mesh, bar=bar)
    if spill is not None:
        recording = _spilled(spill, step, parts, class_names, header)
    else:
        for batch_labels, batch_words, _ in parts:
            gathered.add((batch_labels, *batch_words))
        labels, *words = gathered.arrays()
        labels, clusters, words = _rows(checked_labels(labels), words, step.places)
        names = class_names_of(class_names, int(labels.max()))
        every = enumeration_weights(exhaustive, weights, len(labels))
        recording = Recording(step.layers, step.widths, tuple(words), labels, names, header, every, clusters)
    patterns = list(map(one_pattern, recording.words, recording.widths))
    warn_of_constant(recording.layers, patterns, recording.num_inputs, quantizer)
    return recording


def _spilled(
    folder: str | os.PathLike,
    step: Step,
    parts: Iterable[tuple[np.ndarray, Any, Any]],
    class_names: Iterable[Any] | None,
    header: Mapping[str, Any],
) -> Recording:
    """The recording of these batches, written to a folder."""
    with Spill(folder, step.layers, step.widths, with_clusters=step.places is not None) as spill:
        largest = seen = 0
        for batch_labels, batch_words, _ in parts:
            spill.append(*_rows(checked_labels(batch_labels), batch_words, step.places, seen))
            largest, seen = max(largest, int(batch_labels.max())), seen + len(batch_labels)
        spill.finish(class_names_of(class_names, largest), json_values(header))
    return Recording.load(folder)


def _rows(
    labels: np.ndarray, words: Sequence[np.ndarray], places: int | None, first: int = 0
) -> tuple[np.ndarray, np.ndarray | None, Sequence[np.ndarray]]:
    """Labels, clusters and words with one row a position, of inputs numbered from ``first``; or with one an input."""
    if places is None:
        return labels, None, words
    return *repeated(labels, places, first), [own.reshape(-1, own.shape[-1]) for own in words]


class _Words(Step):
    """The step that returns packed words."""

    def step_outputs(self, carry, words, labels, real):
        return carry, tuple(words)
