"""Arrays: where they lie, and float64 on the host's own processor."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

Array = jax.Array | np.ndarray


def on_host(function: Callable[..., Any], *arrays: Any, **static: Any) -> Any:
    """``function(*arrays, **static)`` in float64 on the processor, as NumPy arrays, whatever the user's settings are.

    For vectors of a few hundred multiplicities: they are too short for an accelerator and lose too much in float32.
    """
    try:
        place = jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # a process that was started without JAX's CPU backend
        place = contextlib.nullcontext()
    with jax.enable_x64(True), place:
        return jax.tree.map(np.asarray, function(*jax.tree.map(np.asarray, arrays), **static))


def lies_on_host(*arrays: Any) -> bool:
    """Whether NumPy can read these arrays where they are: not traced, not on an accelerator or in another process."""
    return all(isinstance(a, np.ndarray) or (not isinstance(a, Tracer) and _on_own_processor(a)) for a in arrays)


def _on_own_processor(array: jax.Array) -> bool:
    return array.is_fully_addressable and {device.platform for device in array.devices()} == {"cpu"}
