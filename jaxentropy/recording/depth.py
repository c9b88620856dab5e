"""The order of depth of a network's layers, found from the equations that compute them.

``jax.jit``, ``jax.vmap`` and everything else that rebuilds a dictionary leave its keys in alphabetical order, so the
order of the mapping says nothing. What does is the program: a layer is deeper if more of the *steps* that mix neurons
(matrix products, convolutions, sums) lie upstream of it. Equations that work neuron by neuron, or only change a shape,
are looked through, so that it does not matter where an activation function or a reshape was applied.
"""

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
from jax.extend import core

from jaxentropy.base.errors import DepthOrderWarning, InputError

_MOVES = frozenset(
    (
        "broadcast_in_dim",
        "copy",
        "convert_element_type",
        "concatenate",
        "dynamic_slice",
        "expand_dims",
        "gather",
        "pad",
        "reshape",
        "slice",
        "split",
        "squeeze",
        "transpose",
    )
)
"""Primitives that put values elsewhere without mixing them, though their outputs may have another size."""
_MIXES = frozenset(("dot_general", "ragged_dot", "conv_general_dilated", "cumsum", "cumlogsumexp", "sort", "fft"))
"""Primitives that mix neurons even where input and output have one size."""
_LOOPS = frozenset(("scan", "while"))

Place = tuple[int, ...]
"""Where in the program an equation stands: its number, and within it that of an inner equation, and so on."""


@dataclass(frozen=True)
class _Origin:
    """Where a value comes from.

    Attributes:
        steps: the steps upstream.
        place: of the equation that made the value; empty for an input.
        opaque: whether the last step is one whose outputs come in no known order: a loop, a branch, a callback.
        value: which value it is, seen through calls.
    """

    steps: frozenset[Place] = frozenset()
    place: Place = ()
    opaque: bool = False
    value: Any = None


def in_depth_order(program: core.ClosedJaxpr, names: Sequence[str]) -> tuple[str, ...]:
    """The names of a program's outputs, the shallowest first.

    ::

        program = jax.make_jaxpr(jax.jit(layers))(params, inputs)  # {"body": …, "head": …, "stem": …}
        in_depth_order(program, ["body", "head", "stem"])  # ("stem", "body", "head")

    Args:
        program: what ``jax.make_jaxpr`` gave, with one output a name.
        names: in the order of the outputs.

    Raises:
        InputError: two layers come from one loop, branch or callback, and their names are in alphabetical order, which
            may be nobody's choice.
    """
    inputs = [_Origin(value=v) for v in program.jaxpr.invars]
    found = _origins(program.jaxpr, inputs, ())
    origins = dict(zip(names, found, strict=True))
    given = {name: i for i, name in enumerate(names)}
    alphabetical = list(names) == sorted(names)

    def key(name: str) -> tuple[Any, ...]:
        origin = origins[name]
        last = max(origin.steps, default=())
        # what one loop or callback gave has no order but the mapping's own
        return last, len(origin.steps), () if origin.opaque else origin.place, given[name]

    order = tuple(sorted(names, key=key))
    unknown = _unknown(order, origins) if alphabetical else []
    if unknown:
        raise InputError(
            f"the order of depth of the layers {', '.join(unknown)} cannot be found: they come from one loop, branch "
            "or callback, and their names are in alphabetical order, as jax.jit and jax.vmap leave a dictionary. Name "
            "the layers in the order of depth: layers=[...]"
        )
    return order


def _unknown(order: Sequence[str], origins: Mapping[str, _Origin]) -> list[str]:
    """Layers that share an opaque last step with a neighbour, and are not the same value."""
    found: list[str] = []
    for a, b in pairwise(order):
        one, other = origins[a], origins[b]
        if one.opaque and other.opaque and one.steps == other.steps and one.value is not other.value:
            found += [name for name in (a, b) if name not in found]
    return found


def _origins(jaxpr: core.Jaxpr, inputs: Sequence[_Origin], where: Place) -> list[_Origin]:
    """The origin of each output of a program, given those of its inputs."""
    known: dict[Any, _Origin] = dict(zip(jaxpr.invars, inputs, strict=True))

    def origin(variable: Any) -> _Origin:
        return _Origin() if isinstance(variable, core.Literal) else known.get(variable, _Origin())

    for number, equation in enumerate(jaxpr.eqns):
        place = (*where, number)
        upstream = [origin(v) for v in equation.invars]
        known.update(zip(equation.outvars, _made_by(equation, upstream, place), strict=True))
    return [origin(v) for v in jaxpr.outvars]


def _made_by(equation: Any, upstream: Sequence[_Origin], place: Place) -> list[_Origin]:
    """The origins of what one equation makes."""
    name = equation.primitive.name
    inner = _inner(equation)
    if inner is not None and name not in _LOOPS:
        return _origins(inner, upstream, place)
    steps = frozenset().union(*(origin.steps for origin in upstream))
    several = len(equation.outvars) > 1 and name not in _MOVES
    opaque = name in _LOOPS or any(_programs(equation.params.values())) or several
    if opaque or _mixes(equation):
        steps |= {place}
    else:
        # a slice of what a loop gave has no order of its own either
        last = max(steps, default=())
        opaque = any(o.opaque and max(o.steps, default=()) == last for o in upstream)
    return [_Origin(steps, place, opaque, variable) for variable in equation.outvars]


def _inner(equation: Any) -> core.Jaxpr | None:
    """The program that an equation calls with its own inputs for its own outputs: of jit, remat, custom_jvp, …"""
    programs = list(_programs(equation.params.values()))
    if len(programs) != 1:
        return None
    (program,) = programs
    fits = len(program.invars) == len(equation.invars) and len(program.outvars) == len(equation.outvars)
    return program if fits else None


def _programs(values: Iterable[Any]) -> Iterable[core.Jaxpr]:
    for value in values:
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _programs(value)


def _mixes(equation: Any) -> bool:
    """Whether a value that comes out depends on several that went in."""
    name = equation.primitive.name
    if name in _MOVES:
        return False
    sizes = [math.prod(v.aval.shape) for v in equation.invars if not isinstance(v, core.Literal)]
    return name in _MIXES or math.prod(equation.outvars[0].aval.shape) != max(sizes, default=1)


def traced(function: Any, *arguments: Any) -> tuple[core.ClosedJaxpr, Any]:
    """(the program, the shapes of its outputs) of a function, without running it."""
    return jax.make_jaxpr(function, return_shape=True)(*arguments)


def warn_if_alphabetical(names: Sequence[str]) -> None:
    """Warn if these names are in the alphabetical order in which jax.jit leaves a dictionary, and not numbered."""
    if len(names) < 2 or list(names) != sorted(names) or are_numbered(names):
        return
    warnings.warn(
        f"the layers {', '.join(names)} are in alphabetical order, as jax.jit and jax.vmap leave a dictionary; if that "
        "is not the order of depth, all that is said of depth is wrong. layers=[...] says the order of depth",
        DepthOrderWarning,
        stacklevel=3,
    )


def are_numbered(names: Sequence[str]) -> bool:
    """Whether the names are one word with rising numbers, fc1, fc2, fc3, or single letters: a, b, c."""
    if all(len(name) == 1 for name in names):
        return True
    parts = [re.fullmatch(r"(\D*)(\d+)", name) for name in names]
    if not all(parts):
        return False
    words, numbers = zip(*((part[1], int(part[2])) for part in parts if part), strict=True)
    return len(set(words)) == 1 and list(numbers) == sorted(numbers)
