"""A network's program as one flat list of equations, which can be run for any of its values.

Calls (``jit``, rematerialised blocks, functions with derivatives of their own) are looked into; loops and branches are
not: what they compute is theirs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend import core

_CALLS = frozenset(
    ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2", "custom_jvp_call", "custom_vjp_call",
     "custom_vjp_call_jaxpr")
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Equation:
    """One primitive: values are numbers, from 0 for the program's inputs on.

    Attributes:
        primitive: of JAX.
        params: of the primitive.
        inputs: numbers of values.
        outputs: numbers of values.
        call: the name of the innermost named call that it is in, with that call's number; or None.
    """

    primitive: Any
    params: dict[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    call: int | None

    @property
    def name(self) -> str:
        """The primitive's name."""
        return str(self.primitive.name)


@dataclass(frozen=True)
class Call:
    """A named call: ``relu`` with the values that it was given."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    outer: int | None


class Program:
    """The flat program of ``function(*arguments)``.

    Attributes:
        equations: in the order in which they are computed.
        calls: the named calls that they are in.
        inputs: the numbers of the arguments' leaves.
        constants: values of the numbers that no equation computes and no argument gives.
        outputs: the numbers of the results' leaves.
        avals: shape and type of each value, by number.
        tree: of the results.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        self.tree = jax.tree.structure(shapes)
        self.equations: list[Equation] = []
        self.calls: list[Call] = []
        self.constants: dict[int, Any] = {}
        self.avals: list[Any] = []
        self.inputs = tuple(self._new(v.aval) for v in closed.jaxpr.invars)
        self.outputs = self._inline(closed.jaxpr, closed.consts, self.inputs, None)

    def _new(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def _constant(self, value: Any, aval: Any) -> int:
        number = self._new(aval)
        self.constants[number] = value
        return number

    def _inline(
        self, jaxpr: core.Jaxpr, consts: Sequence[Any], given: Sequence[int], call: int | None
    ) -> tuple[int, ...]:
        """Append a program's equations; the numbers of its outputs."""
        known: dict[Any, int] = dict(zip(jaxpr.invars, given, strict=True))
        for variable, value in zip(jaxpr.constvars, consts, strict=True):
            known[variable] = self._constant(value, variable.aval)

        def number(atom: Any) -> int:
            return self._constant(atom.val, atom.aval) if isinstance(atom, core.Literal) else known[atom]

        for equation in jaxpr.eqns:
            inputs = tuple(number(v) for v in equation.invars)
            inner = _called(equation)
            if inner is None:
                outputs = tuple(self._new(v.aval) for v in equation.outvars)
                self.equations.append(Equation(equation.primitive, equation.params, inputs, outputs, call))
            else:
                name, own = str(equation.params.get("name", "")), len(self.calls)
                if name:
                    self.calls.append(Call(name, inputs, (), call))
                outputs = self._inline(*inner, inputs, own if name else call)
                if name:
                    self.calls[own] = Call(name, inputs, outputs, call)
            known.update(zip(equation.outvars, outputs, strict=True))
        return tuple(number(v) for v in jaxpr.outvars)

    def run(self, arguments: Sequence[Any], wanted: Sequence[int]) -> list[Any]:
        """The values of these numbers, given the arguments' leaves; nothing else is computed."""
        values: dict[int, Any] = {**self.constants, **dict(zip(self.inputs, arguments, strict=True))}
        for equation in self.upstream(wanted):
            bound = equation.primitive.get_bind_params(equation.params)
            functions, params = bound if isinstance(bound, tuple) else ((), bound)  # as versions of JAX differ
            made = equation.primitive.bind(*functions, *(values[i] for i in equation.inputs), **params)
            several = equation.primitive.multiple_results
            values.update(zip(equation.outputs, made if several else [made], strict=True))
        return [values[i] for i in wanted]

    def upstream(self, wanted: Iterable[int]) -> list[Equation]:
        """The equations that these values need, in order."""
        needed, found = set(wanted), []
        for equation in reversed(self.equations):
            if needed.intersection(equation.outputs):
                needed.update(equation.inputs)
                found.append(equation)
        return found[::-1]

    def enclosing(self, call: int | None) -> Iterator[Call]:
        """This named call and those that it is in, the innermost first."""
        while call is not None:
            yield self.calls[call]
            call = self.calls[call].outer


def _called(equation: Any) -> tuple[core.Jaxpr, Sequence[Any]] | None:
    """The program that an equation calls with its own inputs for its own outputs, and its constants."""
    if equation.primitive.name not in _CALLS:
        return None
    for value in equation.params.values():
        if isinstance(value, core.ClosedJaxpr):
            inner, consts = value.jaxpr, value.consts
        elif isinstance(value, core.Jaxpr):
            inner, consts = value, ()
        else:
            continue
        if len(inner.invars) == len(equation.invars) and len(inner.outvars) == len(equation.outvars):
            return inner, consts
    return None
