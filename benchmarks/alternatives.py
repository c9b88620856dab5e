"""The kernel step by step, each step beside the other ways that were considered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.data import Shape, few_causes
from benchmarks.report import Options, Section, Target
from benchmarks.timing import Times, fastest, interleaved, milliseconds, ratio, timed
from jaxentropy import Sign, pack, unpack
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.multiplicities import multiplicities_on_host, traced_multiplicities
from jaxentropy.counting.neurons import add_neurons, by_neuron, no_neurons
from jaxentropy.counting.sorting import order_by, order_on_host
from jaxentropy.recording.packing import pack_across, pack_on_host

Ways = Mapping[str, Callable[[], object]]
READ = "reading the activations once"
_DTYPES = ("float32", "bfloat16", "int8")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    inputs: int = 60_000
    neurons: int = 1024
    classes: int = 10
    rounds: int = 5


@dataclass(frozen=True)
class Step:
    """Ways of one step: the one taken on a processor, and on an accelerator; all give the same, if ``alike``."""

    ways: Ways
    on_processor: str
    on_accelerator: str
    alike: bool = True


def run(options: Options) -> Section:
    """The section."""
    size = Size(1000, 256, 10, 1) if options.quick else Size()
    rounds = options.rounds or size.rounds
    activations, labels = few_causes(Shape(size.inputs, size.neurons, size.classes, options.seed))
    groups: dict[str, Times] = {}
    section = Section(
        "Alternatives: each step of the kernel beside the ways that were not taken",
        {"inputs": size.inputs, "neurons": size.neurons, "classes": size.classes, "rounds": rounds},
        {"seconds": groups},
    )
    section.text.append(
        f"{size.inputs} inputs × {size.neurons} neurons, {size.classes} classes. *Taken* is the way on this platform; "
        "wherever ways should give the same, it was checked that they do."
    )
    rows = []
    for name, step in _steps(activations, labels, size.classes, options.seed).items():
        _check(name, step)
        times = interleaved({way: timed(f) for way, f in step.ways.items()}, rounds, name, warm=step.ways)
        taken = step.on_processor if jax.default_backend() == "cpu" else step.on_accelerator
        groups[name] = times
        for way in sorted(times, key=lambda way: ratio(times[way], times[taken])):
            mark = "taken" if way == taken else ""
            rows.append([name, way, mark, *milliseconds(times[way]), f"{ratio(times[way], times[taken]):.2f}"])
        best = fastest(times, [way for way in times if way != READ])
        title = f"{name}: the way taken, to the fastest ({best})"
        section.targets.append(Target(title, ratio(times[taken], times[best]), unit=" ×"))
    section.table(["step", "way", "", "median ms", "range ms", "× taken"], rows)
    return section


def _check(name: str, step: Step) -> None:
    """Calls every way once, which compiles it; exits if results differ that should not."""
    found = {way: jax.tree.map(np.asarray, f()) for way, f in step.ways.items() if way != READ}
    first = found[step.on_processor]
    for way, other in found.items():
        if step.alike and not jax.tree.all(jax.tree.map(np.array_equal, first, other)):
            raise SystemExit(f"{name}: {way} gives something else than {step.on_processor}")


def _steps(host: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> dict[str, Step]:
    on_device, classed = jax.device_put(host), jax.device_put(labels)
    width, sign = host.shape[1], Sign()
    words = pack(on_device > 0)
    prints = fingerprint(words)
    prints_on_host, order = np.asarray(prints), order_on_host(labels)
    binary = jnp.asarray(np.random.default_rng(seed).integers(0, 2, (width, 64)), jnp.int8)
    digits, sums = "4-bit digits in blocks of 15, order by NumPy", "4-bit digits in blocks of 15, order by XLA"
    two, one = "NumPy: two sorts of single keys", "XLA: one sort of single keys"
    across, hashed = "across: eight neighbours to eight words", "multilinear-HM: 64-bit products of two words"
    return {
        "pack": Step(
            {
                across: partial(jax.jit(lambda a: pack_across(a > 0)), on_device),
                "across, and the words put in order (recordings)": partial(jax.jit(lambda a: pack(a > 0)), on_device),
                "32 neighbours to a word": partial(jax.jit(_in_a_row), on_device),
                "matrix product with powers of two": partial(jax.jit(_by_powers), on_device),
                "NumPy packbits, a thread for each core": partial(pack_on_host, host, sign),
                READ: partial(jax.jit(jnp.max), on_device),
            }, across, across, alike=False,
        ),
        "fingerprint": Step(
            {
                hashed: partial(fingerprint, words),
                "multilinear: a 64-bit product a word": partial(jax.jit(_multilinear), words),
                **{
                    f"GF(2) matrix product in {t}": partial(jax.jit(_gf2(t, width)), words, binary) for t in _DTYPES
                },
            }, hashed, hashed, alike=False,
        ),
        "neurons by class": Step(
            {
                digits: partial(jax.jit(_digits(classes, width)), words, classed, order),
                sums: partial(jax.jit(_digits(classes, width)), words, classed),
                **{
                    f"one-hot matrix product in {t}": partial(jax.jit(_one_hot(t, classes, width)), words, classed)
                    for t in _DTYPES
                },
                "segment_sum of states": partial(jax.jit(_segments(classes, width)), words, classed),
            }, digits, sums,
        ),
        "multiplicities": Step(
            {
                two: lambda: multiplicities_on_host(prints_on_host, labels, classes),
                one: partial(jax.jit(partial(traced_multiplicities, num_classes=classes)), prints, classed),
            }, two, one,
        ),
        "order by class": Step(
            {
                "NumPy: single keys": lambda: order_on_host(labels),
                "XLA: single keys": partial(jax.jit(lambda y: order_by([(y, classes.bit_length())])), classed),
                "XLA: stable argsort": partial(jax.jit(lambda y: jnp.argsort(y, stable=True)), classed),
                "NumPy: stable argsort": lambda: np.argsort(labels, kind="stable"),
            }, "NumPy: single keys", "XLA: single keys",
        ),
        "group": Step(
            {
                "NumPy: single keys, fingerprint alone": lambda: np.sort(prints_on_host.view(np.uint64).ravel()),
                "XLA: three arrays at once": partial(jax.jit(_three), prints, classed),
                "XLA: high words only": partial(jax.jit(lambda p: jnp.sort(p[:, 0], stable=False)), prints),
                "NumPy: np.unique of rows": lambda: np.unique(prints_on_host, axis=0, return_counts=True),
            }, "NumPy: single keys, fingerprint alone", "XLA: three arrays at once", alike=False,
        ),
    }  # fmt: skip


def _in_a_row(activations):
    bits = (activations > 0).reshape(len(activations), -1, 32).astype(jnp.uint32)
    return jnp.sum(bits << jnp.arange(32, dtype=jnp.uint32), axis=-1, dtype=jnp.uint32)


def _by_powers(activations):
    """Sixteen states at a time, so that float32 holds the sums exactly."""
    states = (activations > 0).reshape(len(activations), -1, 16).astype(jnp.float32)
    halves = (states @ (2.0 ** jnp.arange(16))).astype(jnp.uint32).reshape(len(activations), -1, 2)
    return halves[..., 0] | halves[..., 1] << 16


def _multilinear(words):
    """Lemire & Kaser, section 3.1: k₀ + Σ kᵢcᵢ mod 2⁶⁴, the high half of two."""
    keys = np.random.default_rng(0).integers(0, 2**64, (2, words.shape[1]), np.uint64)
    with jax.enable_x64(True):
        wide = jax.lax.convert_element_type(words, jnp.uint64)
        return jnp.stack([jax.lax.convert_element_type((wide * k).sum(-1) >> np.uint64(32), jnp.uint32) for k in keys])


def _gf2(dtype: str, width: int):
    out = jnp.int32 if dtype == "int8" else jnp.float32

    def product(words, binary):
        sums = jnp.matmul(unpack(words, width).astype(dtype), binary.astype(dtype), preferred_element_type=out)
        return pack(sums.astype(jnp.int32) & 1 == 1)

    return product


def _digits(classes: int, width: int):
    def count(words, labels, order=None):
        return by_neuron(add_neurons(no_neurons(classes, words.shape[1], len(words)), words, labels, order), width)

    return count


def _one_hot(dtype: str, classes: int, width: int):
    out = jnp.int32 if dtype == "int8" else jnp.float32

    def count(words, labels):
        owners = jax.nn.one_hot(labels, classes, dtype=dtype, axis=0)
        return jnp.matmul(owners, unpack(words, width).astype(dtype), preferred_element_type=out).astype(jnp.int32)

    return count


def _segments(classes: int, width: int):
    return lambda words, labels: jax.ops.segment_sum(unpack(words, width).astype(jnp.int32), labels, classes)


def _three(prints, labels):
    return jax.lax.sort((prints[:, 0], prints[:, 1], labels), num_keys=3)
