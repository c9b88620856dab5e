"""Multiplicities → entropy in bits. One function an estimator, and the list of them.

An estimator sees the data through its multiplicities only: slot k says that ``f[k]`` different patterns were seen
``j[k]`` times. Slots may repeat a multiplicity, and a slot with ``j = 0`` or ``f = 0`` says nothing; a plain vector of
counts is therefore the case ``j = counts, f = 1``.

Edge contract of every estimator: no sample gives NaN; one sample gives 0 for the plug-in and NaN for the others; a
constant (one pattern seen n ≥ 2 times) gives 0, but for the Bayesian ones (``nsb``, ``pitman_yor``) a small positive
number. Where all samples differ the formulas still give a number, or NaN (``nsb``, ``pitman_yor``, ``collision``), but
it is a function of n alone and says nothing of the truth: see ``coverage``, which is then 0.

The functions of ``ESTIMATORS`` compile, and run in JAX's default float type: float32, or float64 inside
``jax.enable_x64(True)``. ``entropy`` outside ``jit`` runs them in float64. float32 costs the closed forms 10⁻⁵ bit
(10⁻⁴ at 10⁹ samples) and the Bayesian ones 10⁻³, or where nearly all samples differ a few tenths at 10⁶ of them and NaN
at 10⁹. The functions of ``HOST_ESTIMATORS`` run on the host only.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float, Int, Shaped

from jaxentropy.base.arrays import Array, on_host
from jaxentropy.base.errors import InputError
from jaxentropy.base.padding import power_of_two
from jaxentropy.estimators.bayesian import nsb, pitman_yor
from jaxentropy.estimators.closed_form import (
    chao_shen,
    chao_wang_jost,
    collision,
    grassberger,
    jackknife,
    james_stein,
    miller_madow,
    plugin,
)
from jaxentropy.estimators.jackknife import value_and_error
from jaxentropy.estimators.trust import integers
from jaxentropy.estimators.unseen import unseen

Estimator = Callable[..., Any]
"""``f(j, f) -> bits``, for a sample of which ``f[k]`` different patterns were seen ``j[k]`` times."""

ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {
        "plugin": plugin,
        "miller_madow": miller_madow,
        "jackknife": jackknife,
        "grassberger": grassberger,
        "chao_shen": chao_shen,
        "chao_wang_jost": chao_wang_jost,
        "james_stein": james_stein,
        "nsb": nsb,
        "pitman_yor": pitman_yor,
        "collision": collision,
    }
)
"""Estimators that may be compiled and vmapped."""

HOST_ESTIMATORS: Mapping[str, Estimator] = MappingProxyType({"unseen": unseen})
"""Estimators that run on the host only, outside ``jit``; too slow for the jackknife, they have no standard error."""

ESTIMATOR_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "plugin": "plug-in",
        "miller_madow": "Miller–Madow",
        "jackknife": "jackknife",
        "grassberger": "Grassberger",
        "chao_shen": "Chao–Shen",
        "chao_wang_jost": "Chao–Wang–Jost",
        "james_stein": "James–Stein",
        "nsb": "NSB",
        "pitman_yor": "Pitman–Yor",
        "collision": "collision (Rényi-2)",
        "unseen": "Unseen",
    }
)

_SUPPORTED = ("james_stein", "nsb")
# numbers that a compiled call may hold at once
_AT_ONCE = 2**22


def estimator(method: str) -> Estimator:
    """The estimator of this name; InputError names the known ones."""
    if method not in ESTIMATOR_NAMES:
        raise InputError(f"unknown estimator '{method}'; choose from {', '.join(ESTIMATOR_NAMES)}")
    return ESTIMATORS.get(method) or HOST_ESTIMATORS[method]


def entropy(
    counts: Shaped[Array, "..."], method: str = "chao_wang_jost", *, log2_support: float | int | None = None
) -> Float[jax.Array, "..."]:
    """Entropy in bits of the distribution that these counts were drawn from.

    >>> round(float(je.entropy(np.array([5, 3, 1, 1]), "plugin")), 3)  # four patterns in ten samples
    1.685
    >>> round(float(je.entropy(np.array([5, 3, 1, 1]))), 3)  # allows for patterns that were not seen
    2.027

    Outside ``jit`` it is computed in float64 on the host, from the multiplicities of the counts; inside, in JAX's
    default float type.

    Args:
        counts: integers ≥ 0, ``[..., K]``: how often each of K patterns was seen; zeros are allowed and change
            nothing.
        method: a name in ``ESTIMATORS``, or outside ``jit`` in ``HOST_ESTIMATORS``.
        log2_support: log₂ of the number of patterns that are possible, for ``james_stein`` and ``nsb``, which
            otherwise take the number seen and infinity.

    Returns:
        ``float[...]``; see the estimator for the edge contract.

    Raises:
        InputError: unknown method, counts that are not integers, ``log2_support`` for an estimator without one or
            below 0, or (outside ``jit``) negative counts or more patterns seen than the support has; a host estimator
            inside ``jit``.
    """
    function = estimator(method)
    counts = integers(counts, "entropy")
    options = {}
    if log2_support is not None:
        if method not in _SUPPORTED:
            raise InputError(f"entropy: '{method}' knows no log2_support; {', '.join(_SUPPORTED)} do")
        if not 0 <= log2_support < math.inf:
            raise InputError(f"entropy: log2_support is {log2_support}; expected 0 or more")
        options["log2_support"] = float(log2_support)
    if isinstance(counts, Tracer):
        return jnp.vectorize(lambda c: function(c, jnp.ones_like(c), **options), signature="(k)->()")(counts)
    samples = np.asarray(counts)
    shape = samples.shape[:-1]
    j, f = _multiplicities(samples.reshape(math.prod(shape), samples.shape[-1]))
    most = int(f.sum(-1).max(initial=0))
    if options and math.log2(max(most, 1)) > options["log2_support"] + 1e-5:
        raise InputError(f"entropy: {most} patterns were seen, more than 2**{log2_support:g}")
    if method in HOST_ESTIMATORS:
        values = np.array([function(*cell) for cell in zip(j, f, strict=True)])
    else:
        values = on_host(_values, j, f, method=method, **options)
    return jnp.asarray(values[: math.prod(shape)].reshape(shape), float)


def estimate(
    j: Int[Array, "cell slot"], f: Int[Array, "cell slot"], method: str
) -> tuple[Float[Array, " cell"], Float[Array, " cell"]]:
    """One estimator and its jackknife standard error for many cells at once, in bits.

    In JAX's default float type; ``on_host`` (``base/arrays.py``) runs it in float64. The standard errors of a host
    estimator are NaN.
    """
    if method in HOST_ESTIMATORS:
        function = estimator(method)
        if isinstance(j, Tracer) or isinstance(f, Tracer):
            raise InputError(f"'{method}' runs on the host only; call it outside jit and vmap")
        values = np.array([function(*cell) for cell in zip(np.asarray(j), np.asarray(f), strict=True)], float)
        return values, np.full_like(values, np.nan)
    return _values_and_errors(j, f, estimator(method))


@partial(jax.jit, static_argnames=("method", "log2_support"))
def _values(j, f, method: str, **options):
    """Of many cells, in one program."""
    return _in_batches(partial(ESTIMATORS[method], **options), j, f, j.shape[-1] + 2048)


@partial(jax.jit, static_argnums=2)
def _values_and_errors(j, f, function: Estimator):
    slots = j.shape[-1]
    return _in_batches(partial(value_and_error, function), j, f, slots * (slots + 2048))


def _in_batches(function: Callable[..., Any], j, f, held: int):
    """``function`` of each cell, in batches that hold ``_AT_ONCE`` numbers if each cell holds so many.

    All batches have one size, since one of another size would be compiled anew.
    """
    cells = len(j)
    batch = max(1, min(cells, _AT_ONCE // held))
    padded = tuple(jnp.pad(jnp.asarray(x), ((0, -cells % batch), (0, 0))) for x in (j, f))
    results = jax.lax.map(lambda cell: function(*cell), padded, batch_size=batch)
    return jax.tree.map(lambda x: x[:cells], results)


def _multiplicities(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(j, f) of each row. Slots and rows are rounded up to powers of 2: few shapes, few compilations."""
    found = [np.unique(row[row > 0], return_counts=True) for row in counts]
    slots = max((len(times) for times, _ in found), default=0)
    shape = (power_of_two(len(found)), power_of_two(slots, least=16))
    j, f = np.zeros((2, *shape), int)
    for i, (times, patterns) in enumerate(found):
        j[i, : len(times)], f[i, : len(times)] = times, patterns
    return j, f
