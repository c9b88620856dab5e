"""The layers of a network, found in its program: products of data with parameters, and what nonlinearities see.

No module has to say anything, and it does not matter which library it comes from. A *layer* is a matrix product or a
convolution of something that depends on the inputs with something that depends on parameters only; it bears the name
of these. Its *pre-activation* is the value that the first nonlinearity behind it sees, with whatever stands between the
two: a bias, a norm, a residual sum.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from jaxentropy.capture.axes import axes_after, made_axes
from jaxentropy.capture.program import Equation, Program

_ACTIVATIONS = frozenset(
    ("relu", "relu6", "gelu", "silu", "swish", "elu", "celu", "selu", "leaky_relu", "softplus", "hard_tanh", "mish",
     "hard_sigmoid", "hard_silu", "hard_swish", "squareplus", "sigmoid", "log_sigmoid", "soft_sign", "squared_relu")
)  # fmt: skip
"""Functions of ``jax.nn`` that appear as calls of this name."""
_CURVES = {
    "tanh": "tanh", "logistic": "sigmoid", "erf": "gelu", "erfc": "gelu", "sin": "sin", "cos": "cos", "sign": "sign",
    "atan": "atan", "asinh": "asinh",
}  # fmt: skip
_COMPARES = frozenset(("gt", "ge", "lt", "le"))
_NEURONWISE = frozenset(("mul", "add", "sub", "div", "neg", "integer_pow", "square", "convert_element_type"))
_SAME_VALUES = frozenset(("add", "sub", "reshape", "broadcast_in_dim", "convert_element_type", "transpose", "squeeze"))
_LOOPS = frozenset(("scan", "while", "cond", "ragged_dot_general", "ragged_dot", "bcoo_dot_general"))
"""Loops and branches, and products of data with weights that other data choose: what they compute is theirs."""


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
        features: which axes of the value hold the neurons.
    """

    name: str
    kind: str
    role: str
    sees: str
    value: int
    between: str
    features: tuple[int, ...]


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
        self._comparisons: set[Equation] = set()
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

    def seen(self) -> tuple[list[tuple[int, str]], set[int]]:
        """Values that nonlinearities see, with the nonlinearities' names, in the order of the program; and what these
        make of them."""
        calls = self.program.calls
        named = [
            call
            for call in calls
            if call.name in _ACTIVATIONS and not any(c.name in _ACTIVATIONS for c in self.program.enclosing(call.outer))
        ]
        found = [(i, call.name) for call in named for i in call.inputs if i in self.data]
        made = {i for call in calls if call.name in _ACTIVATIONS for i in call.outputs}
        for equation in self.program.equations:
            if any(call.name in _ACTIVATIONS for call in self.program.enclosing(equation.call)):
                continue
            if own := self._seen_by(equation):
                found += own
                made.update(equation.outputs)
            elif equation.name == "select_n" and self.made_by.get(equation.inputs[0]) in self._comparisons:
                made.update(equation.outputs)
        return sorted(found), made - {value for value, _ in found if value not in self.made_by}

    def _seen_by(self, equation: Equation) -> list[tuple[int, str]]:
        """What a primitive sees, if it is a nonlinearity."""
        inputs = list(dict.fromkeys(i for i in equation.inputs if i in self.data))
        if not inputs:
            return []
        value, name = inputs[0], equation.name
        if name in _CURVES:
            before = self._before_constants(value, negated=name == "erfc")
            cubic = name == "tanh" and any(eq.name in ("integer_pow", "mul") for eq in self._between(before, value))
            return [(before, "gelu" if cubic else _CURVES[name])]
        if name in ("max", "min"):
            return self._kept_above(equation, inputs)
        if name == "clamp":
            return [(equation.inputs[1], "clip")] if equation.inputs[1] in self.data else []
        if name in _COMPARES and len(inputs) == 1 and self._is_real(value):
            self._comparisons.add(equation)
            chooses = any(reader.name == "select_n" for reader in self.read_by.get(equation.outputs[0], []))
            return [(value, "where" if chooses else "a step")]
        readers = self.read_by.get(equation.outputs[0], [])
        if name == "exp":  # 1 / (1 + exp(-x)), log(1 + exp(x)); a softmax sums instead
            adds = [r for r in readers if r.name == "log1p" or (r.name == "add" and not self.data >= set(r.inputs))]
            return [(self._before_constants(value, negated=True), "softplus or sigmoid")] if adds else []
        if name == "abs" and not any(reader.name.startswith("reduce_") for reader in readers):  # no norm
            return [(value, "abs")]
        power = 2 if name == "square" else equation.params["y"] if name == "integer_pow" else 0
        power = 2 if name == "mul" and len(set(equation.inputs)) == 1 else power
        if power > 1 and self._enters_layer(equation.outputs[0]):
            return [(value, "square" if power == 2 else "a power")]
        return []

    def _kept_above(self, equation: Equation, inputs: Sequence[int]) -> list[tuple[int, str]]:
        """What a maximum or minimum sees: of x and 0, of x and its own multiple, or with a bound on the other side."""
        if len(inputs) == 2:
            same = {self._before_constants(i) for i in inputs}
            return [(same.pop(), "leaky_relu")] if len(same) == 1 else []
        other = next((i for i in equation.inputs if i not in self.data), None)
        if other is None:
            return []
        constant = self.program.constants.get(self._whole(other))
        if constant is None or self._is_variance(equation.outputs[0]):
            return []
        if not np.any(constant):
            return [(inputs[0], "relu" if equation.name == "max" else "min")]
        beside = {"max": "min", "min": "max"}[equation.name]
        makers = [self.made_by.get(inputs[0]), *self.read_by.get(equation.outputs[0], [])]
        return [(inputs[0], "clip")] if any(eq is not None and eq.name == beside for eq in makers) else []

    def _is_real(self, number: int) -> bool:
        return bool(jnp.issubdtype(self.program.avals[number].dtype, jnp.floating))

    def _enters_layer(self, number: int) -> bool:
        """Whether all that is done with a value is to multiply it with parameters."""
        readers = self.read_by.get(number, [])
        return bool(readers) and all(
            self.weight(reader) is not None or (reader.name in _SAME_VALUES and self._enters_layer(reader.outputs[0]))
            for reader in readers
        )

    def _between(self, first: int, last: int) -> list[Equation]:
        """The equations that make one value of data from another."""
        found, waiting = [], {last}
        while waiting - {first}:
            number = max(waiting - {first})
            waiting.remove(number)
            if number in self.made_by and number > first:
                found.append(self.made_by[number])
                waiting |= self.data.intersection(self.made_by[number].inputs)
        return found

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

    def _before_constants(self, number: int, negated: bool = False) -> int:
        """The one value that this one is a function of by constants alone, and positive where that is positive.

        That is x, of the x + 0.04·x³ that a gelu's tanh sees. A shift or another sign is not undone: tanh(x - 1) sees
        x - 1, and what is added may be the bias of weights that a function closes over. If ``negated``, it is x of -x,
        too: of erfc(-x), and of the exp(-x) in a sigmoid.
        """
        best, waiting = number, {number}
        while waiting:
            last = max(waiting)
            equation = self.made_by.get(last)
            if equation is None or equation.name not in _NEURONWISE:
                break
            given = {i for i in equation.inputs if i in self.data}
            if any(self.origins.get(i) for i in equation.inputs if i not in self.data) or not given:
                break
            if len(waiting) == 1 and len(given) == 1 and not self._keeps_sign(equation, negated):
                break
            waiting = (waiting - {last}) | given
            if len(waiting) == 1:
                (best,) = waiting
        return best

    def _keeps_sign(self, equation: Equation, negated: bool) -> bool:
        """Whether this function of one value is positive where the value is: it has one sign, and 0 stays 0."""
        if equation.name in ("neg", "convert_element_type"):
            return negated or equation.name != "neg"
        if equation.name == "integer_pow":
            return equation.params["y"] % 2 == 1
        others = [i for i in equation.inputs if i not in self.data]
        if equation.name not in ("mul", "div") or not others or equation.inputs[1:] == equation.inputs[:1]:
            return False
        constant = self.program.constants.get(self._whole(others[0]))
        if equation.name == "div" and equation.inputs[0] not in self.data:
            return False
        if constant is None:  # computed from constants, as the root of 2/π: a scale, if it is one number
            return self.program.avals[self._whole(others[0])].shape == ()
        return bool(np.all(np.asarray(constant) > 0) or (negated and np.all(np.asarray(constant) < 0)))

    def nearest(
        self, number: int, layers: Mapping[int, int], barriers: set[int]
    ) -> tuple[list[int], set[str], set[int]]:
        """The layers whose outputs reach a value through no other layer or nonlinearity, what they pass, and values."""
        found, passed, waiting, visited = [], set(), [number], set()
        while waiting:
            value = waiting.pop()
            if value in visited or value not in self.data:
                continue
            if value in layers:
                found.append(layers[value])
            elif value in self.made_by and value not in barriers:
                equation = self.made_by[value]
                scales = equation.name in ("mul", "div") and any(self.origins.get(i) for i in equation.inputs)
                passed |= {equation.name} | ({"scale"} if scales else set())
                waiting += equation.inputs
            else:
                continue
            visited.add(value)
        return sorted(found), passed, visited

    def followed(self, made: int, axes: tuple[int, ...], to: int, among: Iterable[int]) -> tuple[int, ...] | None:
        """The axes of a value that a layer's neurons lie along, by way of these values; None if they are mixed."""
        known = {made: axes}
        for number in sorted(among):
            if number <= made or number not in self.made_by:
                continue
            equation = self.made_by[number]
            for i in equation.inputs:
                after = axes_after(self.program, equation, i, known[i]) if i in known else None
                if after is not None:
                    known[number] = after
                    break
        return known.get(to)

    def is_product(self, equation: Equation) -> bool:
        """Whether data go into parameters here otherwise than by a layer of their own: a loop, or a sum of products."""
        if equation.name in _LOOPS:
            return bool(self.data.intersection(equation.inputs)) and any(map(self.origins.get, equation.inputs))
        before = self.made_by.get(equation.inputs[0]) if equation.name == "reduce_sum" else None
        if before is None or before.name != "mul" or equation.outputs[0] not in self.data:
            return False
        last = len(self.program.avals[equation.inputs[0]].shape) - 1
        return last in equation.params["axes"] and any(
            i not in self.data and self.origins.get(i) for i in before.inputs
        )

    def chooses_weights(self, equation: Equation) -> bool:
        """Whether data choose among matrices that other data are multiplied with, as a router does among experts."""
        given, made = equation.inputs[0], equation.outputs[0]
        if given in self.data or not self.origins.get(given) or len(self.program.avals[given].shape) < 3:
            return False
        return any(reader.name == "dot_general" for reader in self.read_by.get(self.with_bias(made), []))

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
        parameters: the paths of parameters, by their numbers in the program.
        inputs: the numbers of the inputs.
    """
    reader = _Reader(program, parameters, inputs)
    layers = [(equation, weight) for equation in program.equations if (weight := reader.weight(equation)) is not None]
    made = {equation.outputs[0]: i for i, (equation, _) in enumerate(layers)}
    axes = [made_axes(program, equation, equation.inputs[0] not in reader.data) for equation, _ in layers]
    owners = _owners(reader, made, axes)
    followed, names = _followed(reader, made), _names(reader, [weight for _, weight in layers])
    times: dict[str, int] = {}
    found = []
    for i, (equation, weight) in enumerate(layers):
        name = names[weight]
        times[name] = times.get(name, 0) + 1
        if i in owners:
            value, sees, between, features = owners[i]
        else:
            value, sees, between = reader.with_bias(equation.outputs[0]), "", ""
            features = reader.followed(equation.outputs[0], axes[i], value, range(value + 1)) or axes[i]
        role = "output" if i not in followed else "hidden" if i in owners else "linear"
        kind = "fc" if equation.name == "dot_general" else "conv"
        label = name if times[name] == 1 else f"{name}@{times[name]}"
        found.append(Found(label, kind, role, sees, value, between, features))
    return found


def _owners(
    reader: _Reader, made: Mapping[int, int], axes: Sequence[tuple[int, ...]]
) -> dict[int, tuple[int, str, str, tuple[int, ...]]]:
    """By layer, the value that the first nonlinearity behind it sees: its number, by what, after what, and its axes."""
    seen, barriers = reader.seen()
    own = {i: number for number, i in made.items()}
    owners: dict[int, tuple[int, str, str, tuple[int, ...]]] = {}
    covered: set[int] = set()
    for value, name in seen:
        near, passed, visited = reader.nearest(value, made, barriers)
        reached = {i: reader.followed(own[i], axes[i], value, visited) for i in near}
        near = [i for i in near if reached[i] is not None]
        free = [i for i in near if i not in covered]
        covered.update(near)
        if not free:
            continue
        last = free[-1]  # a sum of several is the deepest one's
        features = reached[last] or ()
        between = ["the sum of several layers"] * (len(near) > 1)
        between += ["a norm"] * ("rsqrt" in passed) or ["a norm or scale"] * ("scale" in passed)
        sizes = [
            math.prod(reader.program.avals[number].shape[axis] for axis in along)
            for number, along in ((value, features), (own[last], axes[last]))
        ]
        between += ["a split"] * (sizes[0] < sizes[1])
        owners[last] = value, name, " and ".join(between), features
    return owners


def _followed(reader: _Reader, made: Mapping[int, int]) -> set[int]:
    """Layers that others follow, or loops with parameters."""
    upstream: dict[int, int] = {}  # sets of layers as bits of one number
    followed = 0
    for equation in reader.program.equations:
        layers = 0
        for number in equation.inputs:
            layers |= upstream.get(number, 0)
        own = made.get(equation.outputs[0]) if equation.outputs else None
        if own is not None or reader.is_product(equation):
            followed |= layers
        if layers or own is not None:
            upstream.update(dict.fromkeys(equation.outputs, layers | (0 if own is None else 1 << own)))
    return {i for i in made.values() if followed >> i & 1}


def _names(reader: _Reader, weights: Sequence[int]) -> dict[int, str]:
    """Names of layers: their modules', unless one module has weights of several layers."""
    modules = {weight: reader.names[weight].rpartition("/")[0] or reader.names[weight] for weight in weights}
    several = [module for module, count in Counter(modules.values()).items() if count > 1]
    return {weight: reader.names[weight] if module in several else module for weight, module in modules.items()}


def loops_with_parameters(program: Program, parameters: Iterable[int], inputs: Iterable[int]) -> Sequence[str]:
    """Loops, branches and the like that read both data and parameters: what is in them cannot be reached."""
    reader = _Reader(program, dict.fromkeys(parameters, ""), inputs)
    return [
        equation.name
        for equation in program.equations
        if reader.data.intersection(equation.inputs)
        and (
            (equation.name in _LOOPS and any(reader.origins.get(i) for i in equation.inputs))
            or (equation.name == "gather" and reader.chooses_weights(equation))
        )
    ]
