"""The layers that a network has, which of them are meant, and the function that gives their pre-activations."""

import difflib
import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from jaxentropy.base.errors import InputError
from jaxentropy.capture.axes import Rows
from jaxentropy.capture.calls import ROWS, FunctionCall, Known, NetworkCall, like, parameter_names, shapes_of
from jaxentropy.capture.found import find_layers, loops_with_parameters
from jaxentropy.capture.program import Program

_KINDS = {"fc": "fully connected", "conv": "convolution", "sown": "sown"}


@dataclass(frozen=True)
class Layer:
    """One layer of a network, as ``je.layers`` lists it.

    Attributes:
        name: of its parameters, and ``@2``, ``@3``, … for further calls with the same ones, or steps of a loop over
            stacked ones; or what was sown.
        kind: ``fc`` (fully connected), ``conv``, or ``sown``.
        role: ``hidden``; ``output``: no layer follows it; ``linear``: no nonlinearity sees it before the next layer.
        shape: of the value for one input; the neurons come last.
        value: which value is recorded, in words.
        axes: in the program: the axis of inputs, which is -1 where there is none, and those of neurons.
        positions_merged: whether inputs and their positions share the first axis.
        mixed: the operation by which rows of different inputs hang on each other; empty if none does.
        random: whether random numbers enter the value.
    """

    name: str
    kind: str
    role: str
    shape: tuple[int, ...]
    value: str
    axes: tuple[int, ...]
    positions_merged: bool = False
    mixed: str = ""
    random: bool = False

    @property
    def neurons(self) -> int:
        """Size of the last axis."""
        return self.shape[-1] if self.shape else 1


@dataclass(frozen=True)
class Tapped:
    """Apply function of any network: ``(variables, inputs) -> (None, {layer: pre-activations})``.

    Only what the layers need is computed. Equal ones share their compiled programs.
    """

    call: NetworkCall
    layers: tuple[Layer, ...]

    def __call__(self, variables: Any, inputs: Any) -> tuple[None, dict[str, jax.Array]]:
        program, inside = _read(self.call, variables, inputs)
        values = {found.name: found.value for found in inside}
        given = program.run(jax.tree.leaves((variables, inputs)), [values[layer.name] for layer in self.layers])
        return None, {
            layer.name: _arranged(value, layer, len(inputs)) for layer, value in zip(self.layers, given, strict=True)
        }


def _arranged(value: jax.Array, layer: Layer, rows: int) -> jax.Array:
    """Inputs first, neurons last."""
    batch, *features = layer.axes
    if layer.positions_merged:
        value = value.reshape(rows, -1, *value.shape[1:])
        batch, features = 0, [axis + 1 for axis in features]
    between = [axis for axis in range(value.ndim) if axis != batch and axis not in features]
    value = jnp.transpose(value, [batch, *between, *features])
    return value.reshape(*value.shape[: 1 + len(between)], layer.neurons)


def _read(call: NetworkCall, variables: Any, inputs: Any) -> tuple[Program, list]:
    """The program of a network on such inputs, and the layers found in it."""
    program = Program(call, variables, inputs)
    names = parameter_names(call, variables)
    return program, find_layers(program, dict(enumerate(names)), program.inputs[len(names) :])


def layers_in(call: NetworkCall, variables: Any, inputs: Any) -> tuple[Layer, ...]:
    """All layers that are found in a network's program, in the order in which it computes them."""
    leaves, tree = jax.tree.flatten(shapes_of(variables))
    return _layers_in(call, tree, tuple(leaves), like(inputs))


@lru_cache(maxsize=64)
def _layers_in(call: NetworkCall, tree: Any, leaves: tuple, inputs: jax.ShapeDtypeStruct) -> tuple[Layer, ...]:
    variables = jax.tree.unflatten(tree, leaves)
    program, inside = _read(call, variables, inputs)
    rows = Rows(program, program.inputs[len(leaves) :], ROWS)
    layers = []
    for found in inside:
        shape = program.avals[found.value].shape
        batch = shape.index(ROWS) if ROWS in shape else -1
        merged = found.value in rows.leading and batch < 0
        own = [shape[0] // ROWS] if merged else []
        if batch >= 0 or merged:
            own += [n for axis, n in enumerate(shape) if axis not in (0 if merged else batch, *found.features)]
        own.append(math.prod(shape[axis] for axis in found.features))
        value = f"what {found.sees} sees" if found.sees else "its output"
        value += f", after {found.between}" if found.between else ""
        layers.append(
            Layer(
                found.name, found.kind, found.role, tuple(own), value, (batch, *found.features), merged,
                rows.mixed.get(found.value, ""), found.value in rows.random,
            )
        )  # fmt: skip
    return tuple(layers)


def gives_layers(network: Callable[..., Any], variables: Any, inputs: Any) -> bool:
    """Whether a function returns ``(output, {layer: activations})``; what cannot be called is explained elsewhere."""
    try:
        result = jax.eval_shape(lambda v, x: network(v, x), variables, like(inputs, len(inputs)))
    except InputError:
        raise
    except Exception:
        return False
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
        return False
    # an empty or nested state of the network's own, or losses, are no layers
    return all(hasattr(own, "shape") for own in result[1].values()) and any(own.shape for own in result[1].values())


def given_layers(network: Callable[..., Any], variables: Any, inputs: Any) -> FunctionCall:
    """A function that returns ``(output, {layer: activations})``, as one that changes with what it closes over.

    Raises:
        InputError: activations that are whole numbers, or have no row for each input that is the input's own.
    """
    call, rows = FunctionCall(network), ROWS
    try:
        program = Program(lambda v, x: call(v, x), shapes_of(variables), like(inputs))
    except InputError:
        raise
    except Exception:  # it takes batches of one size only
        rows = len(inputs)
        program = Program(lambda v, x: call(v, x), shapes_of(variables), like(inputs, rows))
    mixed = Rows(program, program.inputs[len(jax.tree.leaves(variables)) :], rows).mixed if rows == ROWS else {}
    for name, number in jax.tree.unflatten(program.tree, program.outputs)[1].items():
        shape, dtype = program.avals[number].shape, program.avals[number].dtype
        if jnp.issubdtype(dtype, jnp.integer):
            raise InputError(
                f"layer '{name}' holds whole numbers ({dtype}), not activations; give what the nonlinearity sees, or "
                "states as booleans"
            )
        if shape[:1] != (rows,):
            found = ", ".join("batch" if n == rows else str(n) for n in shape)
            raise InputError(f"layer '{name}' has shape [{found}] and no row for each input; return [batch, neurons]")
        if number in mixed:
            raise InputError(_mixes(name, mixed[number]))
    return FunctionCall(network, known=Known.of(call, variables, like(inputs, rows)))


def loops_in(call: NetworkCall, variables: Any, inputs: Any) -> list[str]:
    """Loops and branches of a network that have parameters of their own, whose layers cannot be reached."""
    shapes = shapes_of(variables)
    program = Program(call, shapes, like(inputs))
    count = len(jax.tree.leaves(shapes))
    return sorted(set(loops_with_parameters(program, range(count), program.inputs[count:])))


Wanted = str | Sequence[str] | Callable[[Layer], bool] | None
"""``hidden`` (the default), ``all``, ``conv``; names and globs; or a function of a Layer."""


def chosen(layers: Sequence[Layer], wanted: Wanted, loops: Callable[[], Sequence[str]] = list) -> tuple[Layer, ...]:
    """The layers that are meant.

    Raises:
        InputError: a name or glob that no layer has (with those there are, the nearest first), or no layer at all.
    """
    if wanted is None or wanted == "hidden":
        found = [layer for layer in layers if layer.role == "hidden" and layer.kind == "fc"]
        inside = loops() if wanted is None or not found else ()
        if not found:
            raise InputError(_none_hidden(layers, inside))
        if inside:
            raise InputError(
                f"the network has parameters inside a {' and a '.join(inside)}, where no layer can be reached, beside "
                f'{_listed(found)}; layers="hidden" records these alone, or sow all layers'
            )
    elif wanted == "all":
        found = list(layers)
    elif wanted == "conv":
        found = [layer for layer in layers if layer.kind == "conv"]
    elif callable(wanted):
        found = [layer for layer in layers if wanted(layer)]
    else:
        found = _named(layers, [wanted] if isinstance(wanted, str) else list(wanted))
    if not found:
        raise InputError(f"layers={wanted!r} chose none; there are {_listed(layers) or 'no layers'}")
    return tuple(found)


def refuse_unfit(layers: Sequence[Layer]) -> None:
    """InputError for layers whose rows are not those of single inputs."""
    for layer in layers:
        if layer.axes[0] < 0 and not layer.positions_merged:
            raise InputError(
                f"layer '{layer.name}' has no axis of inputs of its own, so that it has no patterns; leave it out with "
                "layers=[…]"
            )
        if layer.mixed:
            raise InputError(_mixes(layer.name, layer.mixed))
        if layer.random:
            raise InputError(
                f"random numbers enter layer '{layer.name}', as with dropout in training; give train=False, call "
                "model.eval(), or what the network takes"
            )


def _mixes(name: str, operation: str) -> str:
    return (
        f"in layer '{name}' the row of an input hangs on the other inputs of its batch ({operation}), as with batch "
        "statistics in training; give train=False, call model.eval(), or what the network takes"
    )


def _named(layers: Sequence[Layer], names: Sequence[str]) -> list[Layer]:
    """The layers of these names and globs, in their own order."""
    matching = []
    for name in names:
        own = [layer for layer in layers if layer.name == name or fnmatch.fnmatchcase(layer.name, name)]
        if not own:
            known = [layer.name for layer in layers]
            near = difflib.get_close_matches(name, known, n=len(known), cutoff=0.0)
            raise InputError(f"no layer '{name}'; there are {', '.join(near) or 'no layers'}")
        matching += own
    if any(set(name) & set("*?[") for name in names):
        return [layer for layer in layers if layer in matching]
    return list(dict.fromkeys(matching))


def _none_hidden(layers: Sequence[Layer], loops: Sequence[str]) -> str:
    """What is there instead of hidden fully connected layers."""
    text = "the network has no hidden fully connected layer that a nonlinearity sees"
    if layers:
        text += f"; there are {_listed(layers)}. Choose with layers=[…]"
    if loops:
        text += (
            f"; it has parameters inside a {' and a '.join(loops)}, where no layer can be reached: sow them, or give a "
            "function that returns them by name"
        )
    return text if layers or loops else f"{text}, and no layer of any other kind"


def _listed(layers: Sequence[Layer]) -> str:
    shown = [f"{layer.name} ({_KINDS[layer.kind]}, {layer.role})" for layer in layers[:12]]
    return ", ".join(shown) + (f" and {len(layers) - 12} more" if len(layers) > 12 else "")
