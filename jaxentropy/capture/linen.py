"""Flax Linen modules that sow their layers' activations → apply functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax

from jaxentropy.base.errors import InputError
from jaxentropy.capture.calls import hashable

COLLECTION = "intermediates"


@dataclass(frozen=True)
class Sown:
    """Apply function of a Linen module: ``(variables, inputs) -> (output, {layer: activations})``.

    >>> import flax.linen as nn
    >>> je.capture.sown(nn.Dense(2)) == je.capture.Sown(nn.Dense(2))
    True

    The layers are what the module sows into the collection ``intermediates``, in the order in which it sows them. Two
    of the same module are equal, so that programs compiled for one serve the other.
    """

    module: nn.Module
    keywords: tuple[tuple[str, Any], ...] = ()

    def __hash__(self) -> int:  # modules with lists, such as nn.Sequential, can be compared but not hashed
        return hash((type(self.module), self.keywords))

    def __call__(self, variables: Any, inputs: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        if COLLECTION in variables:
            raise InputError(
                f"the variables carry a collection '{COLLECTION}' from an earlier pass; give the parameters only"
            )
        output, state = self.module.apply(variables, inputs, mutable=[COLLECTION], **dict(self.keywords))
        layers = dict(_flatten(state.get(COLLECTION) or {}))
        if not layers:
            raise InputError(
                f"{type(self.module).__name__} sows nothing into '{COLLECTION}'; in its __call__, add "
                f"self.sow('{COLLECTION}', 'fc1', pre_activation) for each layer"
            )
        return output, layers


def sown(module: nn.Module) -> Sown:
    """The apply function for ``jaxentropy.record`` of a Linen module that sows its layers' activations.

    >>> import flax.linen as nn
    >>> class Net(nn.Module):
    ...     @nn.compact
    ...     def __call__(self, x):
    ...         x = nn.Dense(4)(x)
    ...         self.sow("intermediates", "fc1", x)  # the pre-activation
    ...         return nn.Dense(2)(nn.relu(x))
    >>> model, images = Net(), jnp.ones((3, 5))
    >>> parameters = {"params": model.init(jax.random.key(0), images)["params"]}
    >>> output, layers = je.capture.sown(model)(parameters, images)
    >>> output.shape, layers["fc1"].shape
    ((3, 2), (3, 4))
    """
    return Sown(module)


def sows(module: nn.Module, variables: Any, inputs: Any, keywords: Mapping[str, Any]) -> Sown | None:
    """The apply function of a module that sows; None if it does not, or cannot be called so."""
    found = Sown(module, hashable(keywords))
    if COLLECTION in variables:
        return found  # whose call says what is wrong
    try:
        _, state = jax.eval_shape(lambda v, x: module.apply(v, x, mutable=[COLLECTION], **keywords), variables, inputs)
    except Exception:
        return None
    return found if state.get(COLLECTION) else None


def _flatten(tree: Mapping[str, Any], prefix: str = ""):
    """(path, activations) of each sown value, in the order in which they were sown."""
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{path}/")
        elif not isinstance(value, tuple):  # sown with a reduction of its own
            yield path, value
        elif len(value) != 1:
            raise InputError(
                f"layer '{path}' was sown {len(value)} times in one pass, so that its depth is not known; "
                "sow each call under a name of its own"
            )
        else:
            yield path, value[0]
