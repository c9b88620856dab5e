"""The layers of a network, found in its program: products of data with parameters, and what nonlinearities see.

No module has to say anything, and it does not matter which library it comes from. A *layer* is a matrix product or a
convolution of something that depends on the inputs with something that depends on parameters only; it bears the name
of these. Its *pre-activation* is the value that the first nonlinearity behind it sees, with whatever stands between the
two: a bias, a norm, a residual sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxentropy.capture.program import Equation, Program

_ACTIVATIONS = frozenset(
    ("relu", "relu6", "gelu", "silu", "swish", "elu", "celu", "selu", "leaky_relu", "softplus", "hard_tanh", "mish",
     "hard_sigmoid", "hard_silu", "hard_swish", "squareplus", "sigmoid", "log_sigmoid", "soft_sign", "squared_relu")
)  # fmt: skip
"""Functions of ``jax.nn`` that appear as calls of this name."""
_CURVES = frozenset(("tanh", "logistic", "erf", "erfc", "sin", "sign"))
_COMPARES = frozenset(("gt", "ge", "lt", "le"))
_NEURONWISE = frozenset(("mul", "add", "sub", "div", "neg", "integer_pow", "square", "convert_element_type"))
_SAME_VALUES = frozenset(
    ("add", "sub", "reshape", "broadcast_in_dim", "convert_element_type", "transpose", "squeeze", "expand_dims")
)
_LOOPS = frozenset(("scan", "while", "cond"))


@dataclass(frozen=True)
class Found:
    """One layer of a program.

    Attributes:
        name: of its parameters, and ``@2``, ``@3``, … for further calls.
        kind: ``fc`` or ``conv``.
        role: ``hidden``: a nonlinearity sees it, and another layer follows; ``output``: no layer follows; ``linear``.
        sees: the nonlinearity; empty if there is none.
        value: the number of the pre-activation in the program, or of the layer's output if there is none.
        between: what stands between the two, in words.
        features: which axis of the value holds the neurons.
        made: the number of the layer's own output.
    """

    name: str
    kind: str
    role: str
    sees: str
    value: int
    between: str
    features: int
    made: int


class _Reader:
    """What depends on what in a program."""

    def __init__(self, program: Program, parameters: Mapping[int, str], inputs: Iterable[int]):
        self.program = program
        self.names = dict(parameters)
        for number, value in program.constants.items():  # parameters that a function brought with it
            if np.ndim(value) > 1:
                self.names[number] = f"constant{sum(name.startswith('constant') for name in self.names.values()) + 1}"
        self.data = set(inputs)
        self.origins: dict[int, frozenset[int]] = {number: frozenset((number,)) for number in self.names}
        self.made_by: dict[int, Equation] = {}
        self.read_by: dict[int, list[Equation]] = {}
        for equation in program.equations:
            for number in equation.inputs:
                self.read_by.setdefault(number, []).append(equation)
            for number in equation.outputs:
                self.made_by[number] = equation
            if self.data.intersection(equation.inputs):
                self.data.update(equation.outputs)
            else:
                origin = frozenset().union(*(self.origins.get(i, frozenset()) for i in equation.inputs))
                self.origins.update(dict.fromkeys(equation.outputs, origin))

    def weight(self, equation: Equation) -> int | None:
        """The number of the parameter that this equation multiplies data with; None if it is no layer."""
        if equation.name not in ("dot_general", "conv_general_dilated"):
            return None
        left, right = equation.inputs[:2]
        if (left in self.data) == (right in self.data):
            return None
        origins = self.origins.get(right if left in self.data else left, frozenset())
        return max(origins, key=lambda i: (np.prod(self.program.avals[i].shape), -i), default=None)

    def seen(self) -> list[tuple[int, str]]:
        """Values that nonlinearities see, and the nonlinearities' names, in the order of the program."""
        found = [
            (i, call.name)
            for call in self.program.calls
            if call.name in _ACTIVATIONS and not any(c.name in _ACTIVATIONS for c in self.program.enclosing(call.outer))
            for i in call.inputs
            if i in self.data
        ]
        for equation in self.program.equations:
            if not any(call.name in _ACTIVATIONS for call in self.program.enclosing(equation.call)):
                found += self._seen_by(equation)
        return sorted(found)

    def _seen_by(self, equation: Equation) -> list[tuple[int, str]]:
        """What a primitive sees, if it is a nonlinearity."""
        inputs = [i for i in equation.inputs if i in self.data]
        if equation.name in _CURVES and inputs:
            name = {"logistic": "sigmoid", "erf": "gelu", "erfc": "gelu"}.get(equation.name, equation.name)
            return [(self._before_constants(inputs[0]), name)]
        if equation.name == "max" and len(inputs) == 1:
            (other,) = (i for i in equation.inputs if i not in self.data)
            constant = self.program.constants.get(self._whole(other))
            zero = constant is not None and not np.any(constant)
            return [(inputs[0], "relu")] if zero and not self._is_variance(equation.outputs[0]) else []
        if equation.name == "select_n" and equation.inputs[0] in self.data:
            compares = self.made_by.get(equation.inputs[0])
            if compares is not None and compares.name in _COMPARES:
                return [(i, "where") for i in compares.inputs if i in self.data][:1]
        return []

    def _is_variance(self, number: int) -> bool:
        """Whether a value that is kept above 0 is a norm's variance: a root is drawn of it, neuron by neuron."""
        for reader in self.read_by.get(number, []):
            if reader.name in ("rsqrt", "sqrt"):
                return True
            if reader.name in _SAME_VALUES and self._is_variance(reader.outputs[0]):
                return True
        return False

    def _whole(self, number: int) -> int:
        """The constant behind a value of the same numbers in another shape or type."""
        while number in self.made_by and self.made_by[number].name in ("broadcast_in_dim", "convert_element_type"):
            number = self.made_by[number].inputs[0]
        return number

    def _before_constants(self, number: int) -> int:
        """The one value that this one is a function of by constants alone: x, of tanh's x + 0.04·x³ in a gelu."""
        best, waiting = number, {number}
        while waiting:
            last = max(waiting)
            equation = self.made_by.get(last)
            if equation is None or equation.name not in _NEURONWISE:
                break
            given = {i for i in equation.inputs if i in self.data}
            if any(self.origins.get(i) for i in equation.inputs if i not in self.data) or not given:
                break
            waiting = (waiting - {last}) | given
            if len(waiting) == 1:
                (best,) = waiting
        return best

    def nearest(self, number: int, layers: Mapping[int, int], barriers: set[int]) -> tuple[list[int], set[str]]:
        """The layers whose outputs reach a value through no other layer or nonlinearity, and what they pass."""
        found, passed, waiting, visited = [], set(), [number], set()
        while waiting:
            value = waiting.pop()
            if value in visited or value not in self.data:
                continue
            visited.add(value)
            if value in layers:
                found.append(layers[value])
            elif value in self.made_by and (value == number or value not in barriers):
                equation = self.made_by[value]
                scales = equation.name in ("mul", "div") and any(self.origins.get(i) for i in equation.inputs)
                passed |= {equation.name} | ({"scale"} if scales else set())
                waiting += equation.inputs
        return sorted(found), passed

    def with_bias(self, number: int) -> int:
        """A layer's output with its bias, in the shape in which it goes on."""
        while True:
            readers = self.read_by.get(number, [])
            if len(readers) != 1 or readers[0].name not in _SAME_VALUES or len(readers[0].outputs) != 1:
                return number
            if any(i in self.data for i in readers[0].inputs if i != number):
                return number
            number = readers[0].outputs[0]


def find_layers(program: Program, parameters: Mapping[int, str], inputs: Iterable[int]) -> list[Found]:
    """The layers of a program, in the order in which it computes them.

    Args:
        program: of a network.
        parameters: the names of parameters, by their numbers in the program.
        inputs: the numbers of the inputs.
    """
    reader = _Reader(program, parameters, inputs)
    layers = [(equation, weight) for equation in program.equations if (weight := reader.weight(equation)) is not None]
    made = {equation.outputs[0]: i for i, (equation, _) in enumerate(layers)}
    seen = reader.seen()
    barriers = {i for call in program.calls if call.name in _ACTIVATIONS for i in call.outputs}
    barriers |= {i for eq in program.equations if eq.name == "max" and reader._seen_by(eq) for i in eq.outputs}
    owners: dict[int, tuple[int, str, str]] = {}
    for value, name in seen:
        near, passed = reader.nearest(value, made, barriers)
        for layer in reversed(near):
            if layer not in owners:
                between = ["the sum of several layers"] * (len(near) > 1)
                between += ["a norm"] * ("rsqrt" in passed) or ["a norm or scale"] * ("scale" in passed)
                owners[layer] = value, name, " and ".join(between)
                break
    followed: set[int] = set()
    for i, (equation, _) in enumerate(layers):
        needed = {number for eq in program.upstream(equation.inputs) for number in eq.outputs}
        followed.update(made[number] for number in needed if number in made and made[number] != i)
    times: dict[str, int] = {}
    found = []
    for i, (equation, weight) in enumerate(layers):
        name = reader.names[weight]
        times[name] = times.get(name, 0) + 1
        own = equation.outputs[0]
        value, sees, between = owners.get(i, (reader.with_bias(own), "", ""))
        role = "output" if i not in followed else "hidden" if i in owners else "linear"
        kind = "fc" if equation.name == "dot_general" else "conv"
        label = name if times[name] == 1 else f"{name}@{times[name]}"
        found.append(Found(label, kind, role, sees, value, between, _features(program, equation, value), own))
    return found


def _features(program: Program, equation: Equation, value: int) -> int:
    """The axis that holds the neurons: the last one, or what a convolution says, as long as the shape is its own."""
    shape = program.avals[value].shape
    if equation.name == "conv_general_dilated" and shape == program.avals[equation.outputs[0]].shape:
        return int(equation.params["dimension_numbers"].out_spec[1])
    return len(shape) - 1


def loops_with_parameters(program: Program, parameters: Iterable[int], inputs: Iterable[int]) -> Sequence[str]:
    """Loops and branches that read both data and parameters: what is in them cannot be reached."""
    reader = _Reader(program, dict.fromkeys(parameters, ""), inputs)
    return [
        equation.name
        for equation in program.equations
        if equation.name in _LOOPS
        and reader.data.intersection(equation.inputs)
        and any(reader.origins.get(i) for i in equation.inputs)
    ]


def mixing(program: Program, inputs: Iterable[int], value: int, rows: int) -> str | None:
    """The primitive by which one input's row of a value comes to hang on other inputs; None if there is none.

    ``rows`` is the number of inputs, which no other axis has.
    """
    data = set(inputs)
    for equation in program.equations:
        if data.intersection(equation.inputs):
            data.update(equation.outputs)
    for equation in program.upstream([value]):
        for number in data.intersection(equation.inputs):
            axes = _reduced(equation, number)
            shape = program.avals[number].shape
            if any(shape[axis] == rows for axis in axes if axis < len(shape)):
                return equation.name
    return None


def _reduced(equation: Equation, number: int) -> Sequence[int]:
    """The axes of an input over which an equation puts values together."""
    if equation.name == "dot_general":
        contracted = equation.params["dimension_numbers"][0]
        return [axis for place, own in enumerate(contracted) if equation.inputs[place] == number for axis in own]
    if equation.name.startswith(("reduce_", "arg")) and "axes" in equation.params:
        return equation.params["axes"]
    if equation.name.startswith("cum"):
        return [equation.params["axis"]]
    return [equation.params["dimension"]] if equation.name == "sort" else []


def stochastic(program: Program, value: int) -> bool:
    """Whether random numbers enter a value."""
    return any(eq.name in ("random_bits", "threefry2x32", "rng_bit_generator") for eq in program.upstream([value]))
