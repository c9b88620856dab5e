"""Layers with positions (the places of a convolution, the tokens of a sequence) → rows ``[..., neuron]``."""

import math
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from jaxentropy.base.arrays import Array
from jaxentropy.base.errors import InputError

POSITIONS = ("each", "flatten", "any", "mean")
"""What can be done with them."""
FOUR_WAYS = (
    "The last axis holds the neurons; positions= says what becomes of those before it: 'each' (every position is a "
    "sample, in the cluster of its input), 'flatten' (one row an input, the neurons of all positions), 'any' (one row "
    "an input, a neuron is on if it is at any position) or 'mean' (one row an input, of the mean over positions). It "
    "has to be said, since rows of one input are not independent draws, and error bars that took them for such would "
    "be too small."
)


def pooled(activations: Array, positions: str | None) -> Array:
    """``[batch, position..., neuron]`` → ``[batch, width]``; with ``"each"``, ``[batch, position, width]``.

    >>> from jaxentropy.recording.positions import pooled
    >>> two = np.array([[[1.0, -2.0], [-3.0, -1.0]]])  # one input, two positions, two neurons
    >>> pooled(two, "any").tolist(), pooled(two, "mean").tolist(), pooled(two, "flatten").tolist()
    ([[1.0, -1.0]], [[-1.0, -1.5]], [[1.0, -2.0, -3.0, -1.0]])

    Arrays of JAX or of NumPy, and as they are if they have no positions. Positions are numbered row by row, and
    ``"flatten"`` puts the neurons of one position beside each other.
    """
    n, *places, neurons = activations.shape
    if positions is None or not places:
        return activations
    if positions == "each":
        return activations.reshape(n, math.prod(places), neurons)
    if positions == "flatten":
        return activations.reshape(n, math.prod(places) * neurons)
    axes = tuple(range(1, activations.ndim - 1))
    if positions == "any":
        return activations.max(axes)
    # a half-precision mean could round to zero, which has another state
    real = jnp.issubdtype(activations.dtype, jnp.floating)
    return activations.mean(axes, dtype=jnp.promote_types(activations.dtype, jnp.float32) if real else None)


def rows_of(
    caller: str, shapes: Mapping[str, Sequence[int]], positions: str | None, advice: str = ""
) -> tuple[tuple[int, ...], int | None]:
    """Neurons of each layer's rows, and with ``"each"`` how many positions an input has (else None).

    Args:
        caller: whose errors these are.
        shapes: by layer, ``[batch, position..., neuron]``.
        positions: one of ``POSITIONS``, or None.
        advice: what else may be done about a layer with positions.

    Raises:
        InputError: an unknown ``positions``; a layer without neurons, or with an axis of nothing; a layer with
            positions if ``positions`` is None; with ``"each"``, layers of different numbers of positions, or of none.
    """
    if positions is not None and positions not in POSITIONS:
        raise InputError(f"{caller}: positions is {positions!r}; choose from {', '.join(POSITIONS)}, or leave it out")
    for name, shape in shapes.items():
        if len(shape) < 2 or 0 in shape[1:]:
            raise InputError(
                f"{caller}: layer '{name}' has shape {list(shape)}; expected [batch, neurons] or "
                "[batch, positions..., neurons], with a neuron or more"
            )
        if len(shape) > 2 and positions is None:
            raise InputError(
                f"{caller}: layer '{name}' has shape {list(shape)}; expected [batch, neurons]. {FOUR_WAYS}{advice}"
            )
    places = {name: math.prod(shape[1:-1]) if len(shape) > 2 else None for name, shape in shapes.items()}
    if positions == "each":
        if set(places.values()) == {None}:
            raise InputError(f"{caller}: positions='each', but no layer has positions; leave positions out")
        if len(set(places.values())) > 1:
            said = ", ".join(f"'{name}' {list(shapes[name])} has {own or 'none'}" for name, own in places.items())
            raise InputError(
                f"{caller}: positions='each' takes layers with equally many positions, but {said}; record them apart "
                "(layers=[...]), or pool them (positions='any', 'mean' or 'flatten')"
            )
        return tuple(shape[-1] for shape in shapes.values()), next(iter(places.values()), None)
    flat = positions == "flatten"
    return tuple(shape[-1] * (places[name] or 1 if flat else 1) for name, shape in shapes.items()), None


def repeated(labels: np.ndarray, places: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and clusters of the rows of inputs that have so many positions; the first input is number ``first``."""
    inputs = np.arange(first, first + len(labels), dtype=np.int32)
    return np.repeat(labels, places), np.repeat(inputs, places)


def refuse_enumeration(caller: str, positions: str | None, exhaustive: bool) -> None:
    """InputError for every position of every input: exact entropies are of inputs."""
    if exhaustive and positions == "each":
        raise InputError(
            f"{caller}: an enumeration lists inputs, not their positions; pool them (positions='any', 'mean' or "
            "'flatten'), or leave exhaustive out"
        )
