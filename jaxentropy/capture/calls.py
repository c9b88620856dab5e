"""Networks of any library → one kind of function, ``(variables, inputs) -> output``; of equal networks, equal ones.

Flax and Equinox are looked up among what is imported already: who has a module of theirs has imported them.
"""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.extend import core

from jaxentropy.base.errors import InputError

Keywords = tuple[tuple[str, Hashable], ...]
ROWS = 10_007
"""Inputs of the batch that a network is traced with, to see which axis is theirs: no layer is so wide."""


@dataclass(frozen=True)
class Known:
    """What a network was found to compute: its program's text, and the constants that it closes over.

    A function may close over weights or settings that change from one call to the next. It stays the same object, and
    whoever compiles it once would go on with what they were.
    """

    text: str
    constants: tuple[Any, ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Known) or self.text != other.text or len(self.constants) != len(other.constants):
            return False
        return all(
            a is b or (isinstance(a, str) and a == b) for a, b in zip(self.constants, other.constants, strict=True)
        )

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def of(cls, call: Callable[..., Any], variables: Any, inputs: jax.ShapeDtypeStruct) -> "Known":
        """Trace it anew, whatever is remembered of the same object."""
        closed = jax.make_jaxpr(lambda v, x: call(v, x))(shapes_of(variables), inputs)
        text = re.sub(r"0x[0-9a-f]+", "", str(closed.jaxpr))  # addresses of what was traced along
        # arrays of JAX never change; those of NumPy may, in place
        constants = (
            hashlib.sha256(np.ascontiguousarray(one).tobytes()).hexdigest() if isinstance(one, np.ndarray) else one
            for one in _constants(closed)
        )
        return cls(hashlib.sha256(text.encode()).hexdigest(), tuple(constants))


def _constants(closed: core.ClosedJaxpr) -> Iterator[Any]:
    """What a program and those within it close over."""
    yield from closed.consts
    waiting = [closed.jaxpr]
    while waiting:
        for equation in waiting.pop().eqns:
            for value in equation.params.values():
                for one in value if isinstance(value, tuple | list) else (value,):
                    if isinstance(one, core.ClosedJaxpr):
                        yield from one.consts
                        waiting.append(one.jaxpr)
                    elif isinstance(one, core.Jaxpr):
                        waiting.append(one)


@dataclass(frozen=True)
class LinenCall:
    """A Linen module."""

    module: Any
    keywords: Keywords = ()
    known: Known | None = None

    def __hash__(self) -> int:  # modules with lists, such as nn.Sequential, can be compared but not hashed
        return hash((type(self.module), self.keywords, self.known))

    def __call__(self, variables: Any, inputs: Any) -> Any:
        return self.module.apply(variables, inputs, **dict(self.keywords))


@dataclass(frozen=True)
class NnxCall:
    """An NNX module without its state, which is given as variables."""

    graph: Any
    keywords: Keywords = ()
    known: Known | None = None

    def __call__(self, variables: Any, inputs: Any) -> Any:
        from flax import nnx

        return nnx.merge(self.graph, variables)(inputs, **dict(self.keywords))


@dataclass(frozen=True)
class TreeCall:
    """A callable pytree, such as an Equinox module, without its arrays, which are given as variables by name.

    Attributes:
        tree: its structure.
        others: places and values of the leaves that are no arrays.
        names: of the arrays, in the order of the leaves.
        one_by_one: whether it takes one input at a time.
    """

    tree: Any
    others: tuple[tuple[int, Hashable], ...]
    names: tuple[str, ...]
    one_by_one: bool
    keywords: Keywords = ()
    known: Known | None = None

    def __call__(self, variables: Mapping[str, Any], inputs: Any) -> Any:
        others, arrays = dict(self.others), iter(variables[name] for name in self.names)
        leaves = [others[i] if i in others else next(arrays) for i in range(self.tree.num_leaves)]
        network = jax.tree.unflatten(self.tree, leaves)
        given = dict(self.keywords)
        if self.one_by_one:
            return jax.vmap(lambda one: network(one, **given))(inputs)
        return network(inputs, **given)


@dataclass(frozen=True)
class FunctionCall:
    """A function of variables and inputs."""

    function: Callable[..., Any]
    keywords: Keywords = ()
    known: Known | None = None

    def __call__(self, variables: Any, inputs: Any) -> Any:
        return self.function(variables, inputs, **dict(self.keywords))


NetworkCall = LinenCall | NnxCall | TreeCall | FunctionCall


def call_of(network: Any, variables: Any, inputs: Any, keywords: Mapping[str, Any]) -> tuple[NetworkCall, Any]:
    """(function, variables) of a network.

    Args:
        network: a Linen, NNX or Equinox module, another callable pytree with arrays, or a function.
        variables: of a Linen module or a function; None for what has its own.
        inputs: a batch; only its shape and type are looked at, unless they leave open whether a module takes single
            inputs.
        keywords: for the network's call; they must be hashable.

    Raises:
        InputError: variables that are missing or not taken, keywords that the network lacks or misses, or a network
            that cannot be run on such inputs.
    """
    given = hashable(keywords)
    if _is(network, "flax.linen", "Module"):
        if variables is None:
            raise InputError(
                f"{_name(network)} is a Linen module and needs its variables: record(model, variables, batches)"
            )
        call, own = LinenCall(network, given), variables
    elif _is(network, "flax.nnx", "Module"):
        _refuse_variables(network, variables)
        from flax import nnx

        graph, own = nnx.split(network)
        call = NnxCall(graph, given)
    elif callable(network) and any(_is_array(leaf) for leaf in jax.tree.leaves(network)):
        _refuse_variables(network, variables)
        if _is(network, "equinox", "Module") and callable(inner := getattr(network, "__wrapped__", None)):
            network = inner  # of eqx.filter_jit
        return _tree_call(network, inputs, given)
    elif callable(network):
        call, own = FunctionCall(network, given), variables
    else:
        raise InputError(
            f"a {_name(network)} is no network: expected a Linen, NNX or Equinox module, or a function of variables "
            "and inputs"
        )
    known = _known(call, own, inputs)
    if isinstance(known, Exception):
        raise InputError(_explained(network, inputs, known)) from known
    return replace(call, known=known), own


def variables_of(call: NetworkCall, network: Any) -> Any:
    """The variables of a further network that has its own, for the function that ``call_of`` made of an equal one.

    Raises:
        InputError: a network of another structure.
    """
    if isinstance(call, NnxCall) and _is(network, "flax.nnx", "Module"):
        from flax import nnx

        graph, own = nnx.split(network)
        if graph == call.graph:
            return own
    elif isinstance(call, TreeCall):
        leaves, tree = jax.tree.flatten(network)
        others = tuple((i, leaf) for i, leaf in enumerate(leaves) if not _is_array(leaf))
        if tree == call.tree and others == call.others:
            return dict(zip(call.names, (leaf for leaf in leaves if _is_array(leaf)), strict=True))
    raise InputError(
        f"this {_name(network)} is not built like the network before: other modules, settings or mode (model.eval(), "
        "train=False); give one of the same structure"
    )


def parameter_names(call: NetworkCall, variables: Any) -> list[str]:
    """The path of each leaf of the variables, as layers are named after it."""
    names = []
    for path, _ in jax.tree_util.tree_flatten_with_path(variables)[0]:
        parts = [part for key in path for part in jax.tree_util.keystr((key,), simple=True).split("/")]
        if isinstance(call, LinenCall | FunctionCall) and len(parts) > 1 and parts[0] == "params":
            parts = parts[1:]
        if isinstance(call, NnxCall) and parts[-1] in ("value", "raw_value", "get_value"):
            parts = parts[:-1]
        names.append("/".join(parts) or "weights")
    return names


def like(inputs: Any, rows: int = ROWS) -> jax.ShapeDtypeStruct:
    """The shape and type of a batch of so many such inputs."""
    array = inputs if hasattr(inputs, "dtype") else np.asarray(inputs)
    return jax.ShapeDtypeStruct((rows, *array.shape[1:]), jax.dtypes.canonicalize_dtype(array.dtype))


def shapes_of(variables: Any) -> Any:
    """The shapes and types of variables."""
    return jax.eval_shape(lambda v: v, variables)


def _tree_call(network: Any, inputs: Any, keywords: Keywords) -> tuple[TreeCall, Any]:
    """Of a callable pytree: it is found out whether it takes batches or single inputs."""
    paths, tree = jax.tree_util.tree_flatten_with_path(network)
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in paths]
    if len(set(names)) < len(names):  # {"a/b": …} and {"a": {"b": …}}
        counts = Counter(names)
        names = [
            name if counts[name] == 1 else jax.tree_util.keystr(path)
            for name, (path, _) in zip(names, paths, strict=True)
        ]
    arrays = {name: leaf for name, (_, leaf) in zip(names, paths, strict=True) if _is_array(leaf)}
    others = tuple((i, leaf) for i, (_, leaf) in enumerate(paths) if not _is_array(leaf))
    if strange := [
        name for name, (_, leaf) in zip(names, paths, strict=True) if not _is_array(leaf) and not _hashes(leaf)
    ]:
        raise InputError(
            f"{_name(network)}.{strange[0].replace('/', '.')} is neither an array nor hashable; give a function: "
            "record(lambda _, x: jax.vmap(model)(x), None, batches)"
        )
    whole, single = (TreeCall(tree, others, tuple(arrays), one, keywords) for one in (False, True))
    known = [_known(call, arrays, inputs) for call in (whole, single)]
    if isinstance(known[0], Known) and not _has_rows(whole, arrays, inputs):
        known[0] = ValueError("its output has no row for each input")
    errors = [own for own in known if isinstance(own, Exception)]
    fits = [
        replace(call, known=own) for call, own in zip((whole, single), known, strict=True) if isinstance(own, Known)
    ]
    if not fits:
        raise InputError(_explained(network, inputs, errors[-1])) from errors[-1]
    if len(fits) == 2 and not _same(whole, single, arrays, inputs):
        raise InputError(
            f"{_name(network)} can be called with a batch and with single inputs, and gives different results; say "
            "which is meant with a function: record(lambda _, x: jax.vmap(model)(x), None, batches)"
        )
    return fits[-1], arrays


def _has_rows(call: TreeCall, variables: Any, inputs: Any) -> bool:
    """Whether every output has one row for each input."""
    outputs = jax.eval_shape(call, shapes_of(variables), like(inputs))
    return all(leaf.shape[:1] == (ROWS,) for leaf in jax.tree.leaves(outputs))


def _same(whole: TreeCall, single: TreeCall, variables: Any, inputs: Any) -> bool:
    """Whether a few inputs give the same together and one by one."""
    some = np.asarray(inputs[:3])
    results = [jax.tree.leaves(call(variables, some)) for call in (whole, single)]
    if [leaf.shape for leaf in results[0]] != [leaf.shape for leaf in results[1]]:
        return False
    pairs = zip(*(map(partial(np.asarray, dtype=float), leaves) for leaves in results), strict=True)
    return all(np.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True) for a, b in pairs)


def _known(call: NetworkCall, variables: Any, inputs: Any) -> Known | Exception:
    """What it computes, traced with a batch; or what went wrong."""
    try:
        return Known.of(call, variables, like(inputs))
    except InputError:
        raise
    except Exception as error:
        return error


def _explained(network: Any, inputs: Any, error: Exception) -> str:
    """One line: what was wrong, and what to do."""
    text = " ".join(str(error).split())
    name = _name(network)
    if "unexpected keyword argument" in text:
        word = text.split("unexpected keyword argument")[1].split("'")[1:2] or ["?"]
        return f"{name} takes no keyword '{word[0]}'; leave it out, or give what its call takes"
    if "missing" in text and "argument" in text:
        return f"{name} needs more than its inputs ({text[:160]}); give it as a keyword, for example train=False"
    if "use_running_average" in text or "deterministic" in text:
        return f"{name} must be told that it is not training ({text[:160]}); give train=False or what its call takes"
    if "cannot be changed" in text or "immutable" in text or "ModifyScope" in type(error).__name__:
        return f"{name} changes its variables, as in training ({text[:120]}); give train=False or what its call takes"
    if "rng" in text.lower():
        return f"{name} asks for random numbers, as in training ({text[:120]}); give train=False or what its call takes"
    if "positional argument" in text and "given" in text:
        return (
            f"{name} is called with variables and inputs ({text[:160]}); one that takes inputs alone: "
            "record(lambda _, x: network(x), None, batches)"
        )
    if "reshape" in text and str(ROWS) in text:  # it was traced with a batch of that size
        text = f"it takes batches of one size only; take the size from the inputs' shape ({text[:160]})"
    shape = list(np.shape(inputs))
    return f"{name} cannot be run on inputs of shape {shape}: {type(error).__name__}: {text[:240]}"


def hashable(keywords: Mapping[str, Any]) -> Keywords:
    """Keywords as a part of a call; InputError for those that cannot be compared."""
    given = tuple(sorted(keywords.items()))
    for name, value in given:
        if not _hashes(value):
            raise InputError(
                f"the keyword {name} is a {type(value).__name__}, which cannot be built into a program; give a "
                f"function that calls the network: record(lambda v, x: model.apply(v, x, {name}=…), variables, batches)"
            )
    return given


def _hashes(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _refuse_variables(network: Any, variables: Any) -> None:
    if variables is not None:
        raise InputError(f"{_name(network)} has its own variables; give None: record(model, None, batches)")


def _is(network: Any, module: str, name: str) -> bool:
    """Whether this is an object of a class that, if it is so, has been imported."""
    there = sys.modules.get(module)
    return there is not None and isinstance(network, getattr(there, name))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


def _name(network: Any) -> str:
    return getattr(network, "__name__", None) or type(network).__name__
