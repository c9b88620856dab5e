"""Activations → states. A *state* says whether a neuron is on (1) or off (0) for one input."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped

from jaxentropy.base.arrays import Array


@runtime_checkable
class Quantizer(Protocol):
    """Turns activations into states; hashable, so that it can be a static argument of a compiled program."""

    def __call__(self, activations: Shaped[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """States of these activations: True where the neuron is on."""
        ...


@dataclass(frozen=True)
class Sign:
    """A neuron is on where its activation is positive.

    >>> activations = np.array([-1.0, 0.0, 2.0])
    >>> je.Sign()(activations)
    array([False, False,  True])
    >>> je.Sign(zero="on")(activations)
    array([False,  True,  True])

    Pre-activations and ReLU outputs give the same states. Published codes disagree on an activation of exactly
    zero: ``zero="off"`` (the default) is the ReLU's own reading, ``zero="on"`` the other one.
    """

    zero: Literal["off", "on"] = "off"

    def __post_init__(self):
        if self.zero not in ("off", "on"):
            raise ValueError(f"Sign(zero={self.zero!r}): zero is 'off' or 'on'")

    def __call__(self, activations: Shaped[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """States of these activations; boolean input is taken as states already."""
        if activations.dtype == bool:
            return activations
        return activations > 0 if self.zero == "off" else activations >= 0


@dataclass(frozen=True)
class Threshold:
    """A neuron is on where its activation is greater than ``at``.

    >>> je.Threshold(0.5)(np.array([0.2, 0.5, 0.9]))
    array([False, False,  True])

    ``Threshold(0.5)`` suits the outputs of a sigmoid, which are never ≤ 0: they are above 0.5 where the
    pre-activation is positive.

    Attributes:
        at: a finite number, in the activations' own units.

    Raises:
        ValueError: ``at`` is NaN or infinite.
    """

    at: float | int

    def __post_init__(self):
        if not math.isfinite(self.at):
            raise ValueError(f"Threshold({self.at!r}): expected a finite number, such as Threshold(0.5)")

    def __call__(self, activations: Shaped[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """States of these activations; boolean input is taken as states already."""
        if activations.dtype == bool:
            return activations
        with np.errstate(over="ignore"):  # beyond the range of a narrow type, infinity compares as it should
            return activations > self.at


def states_of(activations: Shaped[Array, "*shape"], quantizer: Quantizer) -> Bool[Array, "*shape"]:
    """``quantizer(activations)``, checked to be states; TypeError if they are not bool."""
    states = quantizer(activations)
    if states.dtype != bool or states.shape != activations.shape:
        raise TypeError(
            f"the quantizer {quantizer!r} turned {activations.shape} activations into {states.dtype}{states.shape}; "
            "expected bool of the same shape, one state a neuron"
        )
    return states
