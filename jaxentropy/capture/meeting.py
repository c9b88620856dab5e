"""Any network, met at the door → what the heart takes: a function that gives the layers that are meant, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.capture.calls import NetworkCall, call_of, like, shapes_of
from jaxentropy.capture.program import Program
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

_PARTS = frozenset(("slice", "squeeze", "reshape", "dynamic_slice", "gather"))


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
        if wanted is None or wanted in ("hidden", "all"):
            return found
        given = given_in_order(found, inputs)
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
            met = Met(given_layers(sown, variables, inputs), variables, None, {"layer_values": "as sown"})
            order = [layer.name for layer in given_in_order(met, inputs)] if sown.steps(variables, inputs) else None
            return replace(met, layers=order)
    function = callable(network) and not has_own_variables(network) and not _is_linen(network) and not keywords
    if function and gives_layers(network, variables, inputs):
        return Met(given_layers(network, variables, inputs), variables, None, {})
    return _searched(network, variables, inputs, keywords)


def given_in_order(found: Met, inputs: Any) -> list[Layer]:
    """The layers that a network itself gives, in the order in which it computes them, whatever that of their names."""
    program = Program(found.apply_fn, shapes_of(found.variables), like(inputs, len(inputs)))
    numbers = jax.tree.unflatten(program.tree, program.outputs)[1]
    whole = {eq.outputs[0]: eq.inputs[0] for eq in program.equations if eq.name in _PARTS}

    def computed(name: str) -> int:
        number = numbers[name]
        while number in whole:  # steps of a loop are cut out of its output at the end
            number = whole[number]
        return number

    layers = []
    for name in sorted(numbers, key=lambda name: (computed(name), numbers[name])):
        shape = program.avals[numbers[name]].shape
        layers.append(Layer(name, "sown", "hidden", shape[1:], "as given", (0, len(shape) - 1)))
    return layers


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
