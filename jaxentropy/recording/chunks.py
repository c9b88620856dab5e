"""Activations that any framework made → packed words, with one chunk of rows in memory at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.recording.forward import refuse_nonfinite
from jaxentropy.recording.packing import pack_on_host, words_for
from jaxentropy.recording.positions import FOUR_WAYS
from jaxentropy.recording.states import Quantizer

CHUNK_BYTES = 1 << 26
"""Of one chunk, as float64."""


@runtime_checkable
class Sliceable(Protocol):
    """What has a shape and gives rows: arrays, memory maps, datasets of h5py or Zarr, tensors."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        ...

    def __getitem__(self, rows: slice, /) -> Any:
        """These rows, in whatever ``np.asarray`` reads."""
        ...


Activations = Mapping[str, Sliceable | Sequence]
"""By layer: ``[n, neurons]``."""


def packed(name: str, activations: Sliceable | Sequence, n: int, quantizer: Quantizer) -> np.ndarray:
    """The packed words ``uint32[n, word]`` of a layer's activations ``[n, neurons]``, checked.

    ::

        with h5py.File("acts.h5") as file:
            words = packed("fc1", file["fc1"], len(labels), Sign())  # read, quantised and packed chunk by chunk
    """
    if isinstance(activations, jax.Array) or not isinstance(activations, Sliceable):
        activations = as_array(name, activations)
    shape = tuple(activations.shape)
    check_shape(name, shape, n)
    words = np.empty((n, words_for(shape[1])), np.uint32)
    for start, rows in _chunks(name, activations, n):
        _refuse_types(name, rows)
        where = "" if len(rows) == n else f" for inputs {start} to {start + len(rows) - 1}"
        refuse_nonfinite(name, rows, where, start)
        words[start : start + len(rows)] = pack_on_host(rows, quantizer)
    return words


def as_array(name: str, activations: Any) -> np.ndarray:
    """The activations as a NumPy array; InputError if nothing makes one of them."""
    try:
        return np.asarray(activations)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors with a gradient or on a device
        raise InputError(
            f"layer '{name}' cannot be read as an array ({' '.join(str(error).split())[:120]}); give a NumPy array "
            "[inputs, neurons], of a PyTorch tensor z.detach().float().cpu().numpy()"
        ) from error


def check_shape(name: str, shape: tuple[int, ...], n: int) -> None:
    """InputError, with what to do, unless the shape is ``[n, neurons]``."""
    if len(shape) == 2 and shape[0] == n and shape[1] > 0:
        return
    expected = f"layer '{name}' has shape {list(shape)}; expected [{n}, neurons] for {n} labels"
    if len(shape) < 2:
        remedy = "There is no axis of inputs: stack the rows of all inputs (np.stack), or give one neuron as z[:, None]"
        remedy += "; leave out what is no layer (layers=[...], --layers)"
    elif len(shape) > 2:
        remedy = FOUR_WAYS
    elif shape[0] == n:
        remedy = "A layer without neurons has no pattern: leave it out (layers=[...], --layers)"
    elif shape[1] == n:
        remedy = "Its axes seem to be the other way round: give z.T"
    else:
        remedy = (
            f"{shape[0]} rows and {n} labels are not of the same inputs: keep both in one loop over the batches, and "
            "a layer that is called more than once for an input apart"
        )
    raise InputError(f"{expected}. {remedy}")


def _chunks(name: str, activations: Sliceable, n: int) -> Iterator[tuple[int, np.ndarray]]:
    """(number of the first row, rows) of one chunk after the other; whole chunks of a file that is stored in chunks."""
    width = activations.shape[1]
    at_once = max(CHUNK_BYTES // (8 * width), 1)
    stored = getattr(activations, "chunks", None)  # h5py's and Zarr's; a compressed chunk is read as a whole
    own = stored[0] if isinstance(stored, tuple) and stored else None
    if isinstance(own, int) and 0 < own <= at_once:
        at_once -= at_once % own
    for start in range(0, n, at_once):
        rows = as_array(name, activations[start : start + at_once])
        expected = (min(at_once, n - start), width)
        if rows.shape != expected:
            raise InputError(
                f"layer '{name}' gave rows of shape {list(rows.shape)} from input {start} on; expected "
                f"{list(expected)}. Give a NumPy array"
            )
        yield start, rows


def _refuse_types(name: str, rows: np.ndarray) -> None:
    """InputError unless these are floating-point activations, or states."""
    if rows.dtype == bool or jnp.issubdtype(rows.dtype, np.floating):
        return
    if jnp.issubdtype(rows.dtype, np.integer):
        raise InputError(
            f"layer '{name}' holds whole numbers ({rows.dtype}), which may be states, counts or token numbers: give "
            "states as booleans (z > 0), and quantised activations as floating-point numbers (z.astype(np.float32))"
        )
    raise InputError(f"layer '{name}' holds {rows.dtype}; expected real numbers or booleans")
