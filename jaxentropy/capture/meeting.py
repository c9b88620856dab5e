"""Any network, met at the door → what the heart takes: a function that gives the layers that are meant, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.capture.calls import NetworkCall, call_of
from jaxentropy.capture.taps import (
    Layer,
    Tapped,
    Wanted,
    chosen,
    given_layers,
    gives_layers,
    layers_in,
    loops_in,
    refuse_unfit,
)


@dataclass(frozen=True)
class Met:
    """What the heart takes: a function of the heart's kind, its variables, names in order, and what is said of them."""

    apply_fn: Any
    variables: Any
    layers: Sequence[str] | None
    meta: dict[str, Any]


def met_with(
    network: Any, variables: Any, inputs: Any, wanted: Wanted, positions: str | None, keywords: Mapping[str, Any]
) -> Met:
    """The network as the heart takes it, with the layers that are meant."""
    found = found_in(network, variables, inputs, keywords)
    if isinstance(found, Met):
        if wanted is None or wanted == "hidden":
            return found
        shapes = jax.eval_shape(found.apply_fn, found.variables, inputs)[1]
        given = [given_layer(name, own.shape) for name, own in shapes.items()]
        plain = not isinstance(wanted, str) and not callable(wanted)
        try:
            return replace(found, layers=[layer.name for layer in chosen(given, wanted)])
        except InputError:
            if plain or not _is_linen(network):
                raise
            found = _searched(network, variables, inputs, keywords)  # layers that it does not sow
    call, own, layers = found
    meant = chosen(layers, wanted, lambda: loops_in(call, own, inputs))
    refuse_unfit(meant)
    said = {layer.name: layer.value for layer in meant}
    return Met(Tapped(call, meant), own, [layer.name for layer in meant], {"layer_values": said})


def found_in(
    network: Any, variables: Any, inputs: Any, keywords: Mapping[str, Any]
) -> Met | tuple[NetworkCall, Any, tuple[Layer, ...]]:
    """A function that gives its layers itself, as a Met; else (call, variables, layers) of what was found."""
    if _is_linen(network) and variables is not None:
        from jaxentropy.capture.linen import sows

        if (sown := sows(network, variables, inputs, keywords)) is not None:
            return Met(given_layers(sown, variables, inputs), variables, None, {"layer_values": "as sown"})
    function = callable(network) and not has_own_variables(network) and not _is_linen(network) and not keywords
    if function and gives_layers(network, variables, inputs):
        return Met(given_layers(network, variables, inputs), variables, None, {})
    return _searched(network, variables, inputs, keywords)


def given_layer(name: str, shape: tuple[int, ...]) -> Layer:
    """A layer that the network itself gives."""
    return Layer(name, "sown", "hidden", shape[1:], "as given", (0, len(shape) - 1))


def _searched(network: Any, variables: Any, inputs: Any, keywords: Mapping[str, Any]) -> tuple[Any, Any, tuple]:
    call, own = call_of(network, variables, inputs, keywords)
    return call, own, layers_in(call, own, inputs)


def _is_linen(network: Any) -> bool:
    return any(kind.__module__ == "flax.linen.module" and kind.__name__ == "Module" for kind in type(network).__mro__)


def has_own_variables(network: Any) -> bool:
    """Whether it is an NNX module or another pytree with arrays."""
    return any(isinstance(leaf, jax.Array | np.ndarray) for leaf in jax.tree.leaves(network)) or any(
        kind.__module__.startswith("flax.nnx") for kind in type(network).__mro__
    )
