"""A network's program as one flat list of equations, which can be run for any of its values.

Calls (``jit``, rematerialised blocks, functions with derivatives of their own) are looked into, and so are loops over
stacked parameters, each step of which is a layer with weights of its own (``nn.scan``). Other loops, over time or with
the same weights at each step, and branches are not: what they compute is theirs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
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
    """The flat program of ``function(*arguments)``, the last of which are the inputs.

    Attributes:
        equations: in the order in which they are computed.
        calls: the named calls that they are in.
        inputs: the numbers of the arguments' leaves.
        constants: values of the numbers that no equation computes and no argument gives.
        outputs: the numbers of the results' leaves.
        avals: shape and type of each value, by number.
        data: the numbers of values that hang on the inputs.
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
        self.data = set(self.inputs[len(self.inputs) - len(jax.tree.leaves(arguments[-1])) :])
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
            if self._stacks_layers(equation, inputs):
                outputs = self._unrolled(equation.params, inputs, call)
            elif inner is None:
                outputs = tuple(self._new(v.aval) for v in equation.outvars)
                self.equations.append(Equation(equation.primitive, equation.params, inputs, outputs, call))
                if self.data.intersection(inputs):
                    self.data.update(outputs)
            else:
                name, own = str(equation.params.get("name", "")), len(self.calls)
                if name:
                    self.calls.append(Call(name, inputs, (), call))
                outputs = self._inline(*inner, inputs, own if name else call)
                if name:
                    self.calls[own] = Call(name, inputs, outputs, call)
            known.update(zip(equation.outvars, outputs, strict=True))
        return tuple(number(v) for v in jaxpr.outvars)

    def _stacks_layers(self, equation: Any, inputs: Sequence[int]) -> bool:
        """Whether it is a loop that takes data through matrices of its own at each step, and no data step by step."""
        if equation.primitive.name != "scan":
            return False
        before = sum(scanned_with(equation.params))
        matrices = any(
            len(self.avals[i].shape) > 2 and jnp.issubdtype(self.avals[i].dtype, jnp.floating) for i in inputs[before:]
        )
        return matrices and bool(self.data.intersection(inputs)) and not self.data.intersection(inputs[before:])

    def _unrolled(self, params: dict[str, Any], inputs: Sequence[int], call: int | None) -> tuple[int, ...]:
        """Append the steps of a loop one after the other; the numbers of its outputs."""
        (consts, carried), body = scanned_with(params), params["jaxpr"]
        carry, stacked, made = inputs[consts : consts + carried], inputs[consts + carried :], []
        steps = range(params["length"])
        for step in reversed(steps) if params["reverse"] else steps:
            own = self._appended(lambda *all, step=step: [one[step] for one in all], stacked, call)
            outputs = self._inline(body.jaxpr, body.consts, (*inputs[:consts], *carry, *own), call)
            carry = outputs[:carried]
            made.append(outputs[carried:])
        made = made[::-1] if params["reverse"] else made
        together = [self._appended(lambda *all: [jnp.stack(all)], one, call)[0] for one in zip(*made, strict=True)]
        return (*carry, *together)

    def _appended(self, function: Callable[..., Any], given: Sequence[int], call: int | None) -> tuple[int, ...]:
        """Append what a function does with these values; the numbers of its results."""
        shapes = [jax.ShapeDtypeStruct(self.avals[i].shape, self.avals[i].dtype) for i in given]
        closed = jax.make_jaxpr(function)(*shapes)
        return self._inline(closed.jaxpr, closed.consts, given, call)

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


def scanned_with(params: Mapping[str, Any]) -> tuple[int, int]:
    """How many of a loop's inputs are the same at each step, and how many are carried; the rest go step by step."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    consts, carried, _ = params["ft_in"].unpack()  # from JAX 0.12 on
    return len(consts), len(carried)


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
