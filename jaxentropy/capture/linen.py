"""Flax Linen modules that sow their layers' activations → apply functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import numpy as np

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
        output, layers = self._applied(variables, inputs)
        if not layers:
            raise InputError(
                f"{type(self.module).__name__} sows nothing into '{COLLECTION}'; in its __call__, add "
                f"self.sow('{COLLECTION}', 'fc1', pre_activation) for each layer"
            )
        if any(len(inputs) in one.shape[1:-1] for one in layers.values()):  # otherwise no axis stands before the inputs
            layers = _unstacked(layers, self._axes_of_inputs(variables, inputs))
        return output, layers

    def steps(self, variables: Any, inputs: Any) -> bool:
        """Whether layers are steps of one loop, of whose order the program says nothing."""
        return any("@" in name for name in jax.eval_shape(self, variables, inputs)[1])

    def _applied(self, variables: Any, inputs: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        output, state = self.module.apply(variables, inputs, mutable=[COLLECTION], **dict(self.keywords))
        return output, dict(_flatten(state.get(COLLECTION) or {}))

    def _axes_of_inputs(self, variables: Any, inputs: Any) -> dict[str, int]:
        """By layer, the axis that grows with the batch; without those that none does."""
        shapes = []
        for rows in (len(inputs), len(inputs) + 1):
            like = jax.ShapeDtypeStruct((rows, *inputs.shape[1:]), inputs.dtype)
            try:
                shapes.append(
                    {name: own.shape for name, own in jax.eval_shape(self._applied, variables, like)[1].items()}
                )
            except Exception:  # it takes batches of one size only
                return {}
        differ = {name: [a != b for a, b in zip(own, shapes[1][name], strict=True)] for name, own in shapes[0].items()}
        return {name: axes.index(True) for name, axes in differ.items() if True in axes}


def _unstacked(layers: Mapping[str, jax.Array], axes: Mapping[str, int]) -> dict[str, jax.Array]:
    """What ``nn.scan`` stacked along axes before that of the inputs, as layers ``h``, ``h@2``, ``h@3``, …

    The steps of one loop stand together: all layers of its first step before those of the second.
    """
    found: dict[str, jax.Array] = {}
    waiting = list(layers.items())
    while waiting:
        name, value = waiting.pop(0)
        axis = axes.get(name, 0)
        if axis == 0:
            found[name] = value
            continue
        loop, length = name.split("/")[0], value.shape[:axis]
        step = {n: v for n, v in waiting if n.split("/")[0] == loop and v.shape[: axes.get(n, 0)] == length}
        waiting = [one for one in waiting if one[0] not in step]
        for i, place in enumerate(np.ndindex(*length), 1):
            found.update({n if i == 1 else f"{n}@{i}": v[place] for n, v in {name: value, **step}.items()})
    return found


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
