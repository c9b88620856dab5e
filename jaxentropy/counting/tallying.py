"""Batches, or the draws of a stream, through a network → a Tally."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax

from jaxentropy.base.errors import InputError
from jaxentropy.base.streams import Stream
from jaxentropy.counting.batches import Counting
from jaxentropy.counting.drawing import draw_until
from jaxentropy.counting.tallies import Tally
from jaxentropy.recording.constant import one_pattern_counted, warn_of_constant
from jaxentropy.recording.forward import ApplyFunction
from jaxentropy.recording.states import Quantizer, Sign

RECORDED = 40_000
"""Draws of each class of a stream whose bits are kept, for upper bounds."""


def tally(
    apply_fn: ApplyFunction,
    variables: Any,
    batches: Iterable[tuple[Any, Any]] | Stream,
    *,
    class_names: Iterable[Any] | None = None,
    layers: Sequence[str] | None = None,
    quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
    meta: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    seed: int = 0,
    positions: str | None = None,
    until: Any = None,
    recorded: int = RECORDED,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = False,
) -> Tally:
    """Drive batches, or a stream's draws, through a network and count what ``profile`` needs, without storing the bits.

    >>> def network(variables, inputs):
    ...     hidden = inputs @ variables
    ...     return hidden.sum(1), {"fc1": hidden}
    >>> batches = [(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0, 1])), (np.array([[2.0, 1.0]]), np.array([1]))]
    >>> counted = je.tally(network, np.eye(2), batches, class_names=["cat", "dog"])
    >>> counted.on[0]  # by class and neuron: inputs for which the neuron was on
    array([[1, 0], [1, 2]])

    As ``record``; patterns are hashed and neurons counted inside the compiled forward pass, and the counts stay on the
    device until the last batch. Of a stream it makes draws until there are enough: 8 bytes a draw and layer, and 4 for
    its label, which are 52 bytes for six layers. They are kept in memory, or, with ``checkpoints``, in files: memory
    then holds those of one piece, and ``profile`` counts what is in the files by ranges of fingerprints, so that the
    memory of neither grows with the number of draws.

    Args:
        apply_fn: as for ``record``.
        variables: as for ``record``.
        batches: as for ``record``; or a ``Stream``, for example ``je.Augment().of(data)``.
        class_names: a name for each class (``range(10)`` will do); labels are numbers from 0. A stream has its own.
        layers: as for ``record``.
        quantizer: how activations become states.
        meta: stored with the counts (JSON values).
        mesh: devices of this process that share every batch; by default one device.
        seed: of the fingerprints.
        positions: what becomes of layers with positions: ``"flatten"``, ``"any"`` or ``"mean"``, as for ``record``. Not
            ``"each"``: errors and bounds of its rows go by inputs, and need the bits.
        until: of a stream, how many draws of each class; or ``je.Until(...)``: until brackets part, or are narrow.
        recorded: of a stream, so many further draws of each class are recorded with their bits, for upper bounds; they
            are not among the counted ones. Models are fitted to half of them, and the other half is read.
        checkpoints: of a stream, a folder that keeps finished draws, so that a killed call goes on where it was; the
            Tally's fingerprints stay in it, memory-mapped.
        progress: show a progress bar on standard error.

    Raises:
        InputError: as ``record``; ``positions="each"``; labels that are no class; batches without
            ``class_names``; a stream without ``until``; a folder with checkpoints of other settings.

    Warns:
        ConstantLayerWarning: as ``record``.
    """
    if positions == "each":
        raise InputError(
            "tally: positions='each' has several rows an input, whose errors and bounds need the bits; use je.record, "
            "or one row an input (positions='any', 'mean' or 'flatten')"
        )
    settings = Counting(apply_fn, layers, quantizer, mesh, seed, positions)
    if isinstance(batches, Stream):
        if class_names is not None or until is None:
            raise InputError(
                "tally: a stream has class names of its own, and needs until=…: how many draws of each class"
            )
        counted = draw_until(settings, variables, batches, until, recorded, checkpoints, progress)
    else:
        if class_names is None or until is not None or checkpoints is not None:
            raise InputError("tally: batches need class_names; until and checkpoints are for streams")
        counted = settings.count(variables, batches, [str(name) for name in class_names], progress)
    patterns = [one_pattern_counted(on, counted.n) for on in counted.on]
    warn_of_constant(counted.layers, patterns, counted.n, quantizer)
    header = {"quantizer": repr(quantizer), **({"positions": positions} if positions else {})}
    return replace(counted, meta={**header, **(meta or {}), **counted.meta})
