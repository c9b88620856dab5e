"""Which axis of a value holds what: the neurons of a layer, through a program; the inputs, and who mixes them."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from jaxentropy.capture.program import Equation, Program, scanned_with

_RANDOM = frozenset(("random_bits", "threefry2x32", "rng_bit_generator", "rng_uniform"))
_PRODUCTS = frozenset(("dot_general", "conv_general_dilated"))
_LOOPS = frozenset(("scan", "while", "cond"))


def made_axes(program: Program, equation: Equation, weight_first: bool) -> tuple[int, ...]:
    """The axes of a product's output that a layer's neurons lie along: those that come from its weights."""
    if equation.name == "conv_general_dilated":
        return (int(equation.params["dimension_numbers"].out_spec[1]),)
    (left, right), (batch, _) = equation.params["dimension_numbers"]
    sizes = [len(program.avals[number].shape) for number in equation.inputs[:2]]
    free_left, free_right = (n - len(own) - len(batch) for n, own in zip(sizes, (left, right), strict=True))
    start = len(batch) + (0 if weight_first else free_left)
    # weights that are many, one for each head or member, have neurons of their own along that axis too
    return (*range(len(batch)), *range(start, start + (free_left if weight_first else free_right)))


def axes_after(program: Program, equation: Equation, number: int, axes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Where neurons that lie along these axes of an input lie in the equation's output; None if it mixes them."""
    if equation.name in _PRODUCTS | _LOOPS or not axes:
        return None if equation.name in _PRODUCTS | _LOOPS else axes
    given, params = program.avals[number].shape, equation.params
    shape = program.avals[equation.outputs[0]].shape
    if equation.name == "transpose":
        return tuple(list(params["permutation"]).index(axis) for axis in axes)
    if equation.name == "reshape":
        return _reshaped(given, shape, axes)
    if equation.name == "broadcast_in_dim":
        return tuple(params["broadcast_dimensions"][axis] for axis in axes)
    if equation.name == "squeeze" or (equation.name.startswith(("reduce_", "arg")) and "axes" in params):
        gone = params["dimensions"] if equation.name == "squeeze" else params["axes"]
        if any(axis in gone and given[axis] > 1 for axis in axes):
            return None
        return tuple(axis - sum(other < axis for other in gone) for axis in axes if axis not in gone)
    if equation.name == "gather" and number == equation.inputs[0]:
        numbers = params["dimension_numbers"]
        gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
        kept = [axis for axis in range(len(given)) if axis not in gone]
        return tuple(numbers.offset_dims[kept.index(a)] for a in axes) if set(axes) <= set(kept) else None
    return axes if len(given) == len(shape) else None


def _reshaped(given: Sequence[int], shape: Sequence[int], axes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Axes after a reshape: those blocks of axes that hold the same numbers correspond."""
    before, after = _blocks(given, shape)
    found: list[int] = []
    for old, new in zip(before, after, strict=True):
        if all(axis in axes for axis in old if given[axis] > 1) and any(axis in axes for axis in old):
            found += [axis for axis in new if shape[axis] > 1] or new[-1:]
        elif any(axis in axes for axis in old):
            found += new[-1:]  # positions and neurons in one axis, or a part of the neurons
    return tuple(found) or None


def _blocks(given: Sequence[int], shape: Sequence[int]) -> tuple[list[list[int]], list[list[int]]]:
    """The shortest runs of axes, before and after a reshape, that have equal products."""
    ends = [[math.prod(one[: i + 1]) for i in range(len(one))] for one in (given, shape)]
    common = sorted(set(ends[0]) & set(ends[1]) | {math.prod(given)})
    runs: tuple[list[list[int]], list[list[int]]] = ([], [])
    for run, own in zip(runs, ends, strict=True):
        for low, high in pairwise([0, *common]):
            run.append([axis for axis, end in enumerate(own) if low < end <= high])
    return runs


class Rows:
    """Where the inputs of a batch lie in each value of a program, traced with a number of them that no other axis has.

    Attributes:
        mixed: by number of a value, the operation by which one input's row came to hang on other inputs.
        random: values that random numbers entered, otherwise than as the weights of a layer.
        leading: values ``[inputs · positions, ...]`` whose rows are in the order of inputs, each with its positions.
    """

    def __init__(self, program: Program, inputs: Iterable[int], rows: int):
        self._shapes = [getattr(aval, "shape", ()) for aval in program.avals]
        self._rows = rows
        self.mixed: dict[int, str] = {}
        self.random: set[int] = set()
        self.leading: set[int] = set()
        data = set(inputs)
        for equation in program.equations:
            given = data.intersection(equation.inputs)
            noise = self.random.intersection(equation.inputs)
            if noise - data and given and equation.name in _PRODUCTS:
                noise &= data
            if noise or equation.name in _RANDOM:
                self.random.update(equation.outputs)
            if not given:
                continue
            data.update(equation.outputs)
            by = next((self.mixed[i] for i in equation.inputs if i in self.mixed), None) or self._mixing(
                equation, given
            )
            if by:
                self.mixed.update(dict.fromkeys(equation.outputs, by))
            if any(self._in_order(equation, i) for i in given):
                self.leading.update(equation.outputs)

    def _axes(self, number: int) -> list[int]:
        return [axis for axis, size in enumerate(self._shapes[number]) if size and size % self._rows == 0]

    def _mixing(self, equation: Equation, given: Iterable[int]) -> str | None:
        """The equation's name if it puts rows of different inputs together."""
        outputs = [self._axes(i) for i in equation.outputs]
        for number in given:
            axes = set(self._axes(number))
            if not axes:
                continue
            if axes.intersection(_together(equation, number)) or not any(outputs) or any(len(o) > 1 for o in outputs):
                return equation.name
            if equation.name == "reshape" and number in self.leading:
                (axis,) = outputs[0]
                if math.prod(self._shapes[equation.outputs[0]][:axis]) != 1:
                    return equation.name
        return None

    def _in_order(self, equation: Equation, number: int) -> bool:
        """Whether an equation leaves rows of inputs with positions in the order of inputs."""
        shape, made = self._shapes[number], self._shapes[equation.outputs[0]]
        if not made or made[0] % self._rows or made[0] == self._rows or not self._axes(number):
            return False
        if self._rows in shape:
            return equation.name == "reshape" and math.prod(shape[: shape.index(self._rows)]) == 1
        return number in self.leading


def _together(equation: Equation, number: int) -> Sequence[int]:
    """The axes of an input along which an equation puts values together, or changes their order."""
    params, name = equation.params, equation.name
    if name == "dot_general":
        contracted = params["dimension_numbers"][0]
        return [axis for place, own in enumerate(contracted) if equation.inputs[place] == number for axis in own]
    if name == "conv_general_dilated":
        batch = params["dimension_numbers"].lhs_spec[0]
        return [axis for axis in params["dimension_numbers"].lhs_spec if axis != batch]
    if name.startswith("reduce_window") or name in ("cumred", "select_and_scatter_add"):
        return [axis for axis, size in enumerate(params.get("window_dimensions", ())) if size > 1]
    if name.startswith(("reduce_", "arg")) and "axes" in params:
        return params["axes"]
    if name.startswith("cum"):
        return [params["axis"]]
    if name == "rev":
        return params["dimensions"]
    if name == "scan":
        consts, carried = scanned_with(params)
        return [0] if carried and number in equation.inputs[consts + carried :] else []
    return [params["dimension"]] if name == "sort" else []
