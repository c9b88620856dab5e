"""Recording → Profile: entropies by layer and class, beside what they would be without training or without labels."""

import math
import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
from tqdm import tqdm

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import kept
from jaxentropy.base.padding import with_room
from jaxentropy.bootstrap import layer_entropies
from jaxentropy.bounds.brackets import brackets
from jaxentropy.bounds.independence import find_copies
from jaxentropy.counting.counts import PatternCounts
from jaxentropy.counting.tallies import Tally
from jaxentropy.estimators import estimator, label
from jaxentropy.quantities import (
    MIN_COINCIDENT_PAIRS,
    MIN_COVERAGE,
    SATURATION_LIMIT,
    Cell,
    Kept,
    count_layers,
    estimate_tables,
    neuron_quantities,
    pattern_quantities,
    pattern_shares,
)
from jaxentropy.recording.packing import unpack
from jaxentropy.recording.recording import Recording
from jaxentropy.schema import described

Recorded = Recording | Tally
Recordings = Recorded | Sequence[Recording] | Sequence[Tally]


def profile(
    recordings: Recordings | Mapping[str, Recordings],
    *,
    estimators: Sequence[str] = ("plugin", "miller_madow", "chao_wang_jost"),
    shuffles: int | None = None,
    bootstrap: int | None = None,
    bounds: bool | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    mesh: jax.sharding.Mesh | None = None,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Entropies of the activation patterns by layer and class, with their nulls and diagnostics.

    Two readings of "the entropy of a layer's activation pattern" are given side by side: ``neuron_entropy``, the mean
    of the binary entropies of the single neurons, and ``pattern_entropy``, the entropy of the layer's joint pattern.

    Args:
        recordings: a Recording (or a Tally, which has no bits); or several, one a seed (adds the dimension ``seed``);
            or a mapping from a network's name to either (adds the dimension ``network``). All must have seen the same
            inputs in the same order. With a mapping, a network ``shuffled`` is added: the recordings of ``trained`` (or
            of the first network) with permuted labels.
        estimators: names in ``ESTIMATORS`` or ``HOST_ESTIMATORS``, for the pattern entropies. The latter have no
            standard errors (NaN).
        shuffles: label permutations that are averaged in ``shuffled``; 0 leaves it out. By default 1 with a mapping,
            and 0 otherwise. Tallies know no shuffled neurons and take 0 only.
        bootstrap: replicates of the paired bootstrap behind ``neuron_fall_se``; 0 leaves the falls out. By default 200,
            and 0 for tallies, which cannot be resampled.
        bounds: whether the joint pattern's entropy and total correlation get brackets (``je.bracket``), one for each
            network, seed, layer and class: seconds a layer. By default they do, unless there are only tallies. Those of
            the entropy hold for any number of independent inputs, those of the total correlation for large samples.
        confidence: with which a bracket's lower and upper bounds hold together, cell by cell.
        seed: of the permutations, of the bootstrap, and of the brackets' models.
        mesh: devices that share the counting. If some belong to other processes, each of these gives the recording (or
            tally) of its own share of the inputs, and all get the profile of the whole; shuffles, bootstrap and bounds
            need all bits in one place and are then to be left out, as for tallies.
        checkpoints: folder that keeps finished brackets, so that a killed call goes on where it was.
        progress: show a bar on standard error while brackets are made.

    Returns:
        A Dataset; see each variable's ``long_name`` and ``units``. With ``trained`` and ``untrained`` networks it has
        ``excess_fall`` too. ``saturated`` marks cells whose pattern entropy says more of the sample than of the
        network: plug-in above 90 % of log2 n, coverage below 0.5, or fewer than 10 pairs of inputs with one pattern.
        ``pattern_information`` is NaN wherever it would rest on such a cell. ``pattern_entropy_per_neuron`` and
        ``pattern_entropy_share`` (of ``pattern_ceiling``) compare layers of different widths. ``neuron_fall`` and
        ``excess_fall`` are of the corrected neuron entropies, since the plug-in's bias differs between layers with many
        and with few constant neurons; ``neuron_fall_bias`` is the most by which their expectation may still be off, and
        they are not given for ``shuffled``. Beside the means over all neurons stand those without the neurons that are
        constant over all inputs of all classes (``neuron_entropy_active``, ``neuron_fall_active``; NaN if all are):
        dead neurons have no entropy, and differ in number from layer to layer (``never_on``). ``copies`` marks classes
        whose inputs look like copies or near-copies of each other: what is said of them holds for independent inputs
        only.

    Edge contract: an empty class is NaN (its ``n`` is 0). A class of one input has plug-in 0 and NaN for the other
    estimators. Where all patterns of a class differ, estimators other than the plug-in are NaN: they would be
    functions of n alone.

    Raises:
        InputError: unknown estimator, negative ``shuffles``, ``bootstrap`` or ``seed``, a ``confidence`` outside
            (0, 1), or recordings of different layers, classes, inputs or seeds.
    """
    if not estimators:
        raise InputError("profile: no estimators; expected one or more names")
    for name in estimators:
        estimator(name)
    for name, value in (("shuffles", shuffles or 0), ("bootstrap", bootstrap or 0), ("seed", seed)):
        if value < 0:
            raise InputError(f"{name} is {value}; expected 0 or more")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; expected a probability between 0 and 1")
    networks, has_network, has_seed = _arrange(recordings)
    apart = any(isinstance(r, Tally) for group in networks.values() for r in group) or (
        mesh is not None and any(d.process_index != jax.process_index() for d in mesh.devices.flat)
    )
    if apart and (shuffles or bootstrap or bounds):
        raise InputError(
            "profile: shuffles, bootstrap and bounds need all bits in one place; a Tally keeps none, and a mesh of "
            "several processes shares them out. Leave these three out, or record the bits of fewer inputs"
        )
    shuffles = int(has_network and not apart) if shuffles is None else shuffles
    bootstrap = (0 if apart else 200) if bootstrap is None else bootstrap
    bounds = not apart if bounds is None else bounds
    has_network |= shuffles > 0
    first = next(iter(networks.values()))[0]
    seeds = len(next(iter(networks.values())))
    words = {name: [list(layer) for layer in zip(*map(_kept, rs), strict=True)] for name, rs in networks.items()}
    labels = {name: np.broadcast_to(first.labels, (seeds, 1, first.n)) for name in networks}
    if shuffles:
        source = "trained" if "trained" in networks else next(iter(networks))
        words["shuffled"] = words[source]
        labels["shuffled"] = np.stack(
            [
                [np.random.default_rng([seed, s, p]).permutation(first.labels) for p in range(shuffles)]
                for s in range(seeds)
            ]
        )

    # neuron counts become entropies layer by layer; only the short tables of multiplicities are kept for the estimators
    tables: list[tuple[PatternCounts, PatternCounts]] = []
    neurons = []
    layers = (
        (kept, labels[name], width) for name in words for kept, width in zip(words[name], first.widths, strict=True)
    )
    for table in count_layers(layers, first.num_classes, mesh):
        neurons.append(neuron_quantities(*table))
        tables.append(table)
    by_class = estimate_tables([table for table, _ in tables], tuple(estimators))
    pooled = estimate_tables([table for _, table in tables], tuple(estimators))
    cells = [
        n | pattern_quantities(*table, *estimates)
        for n, table, *estimates in zip(neurons, tables, by_class, pooled, strict=True)
    ]
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for key, (dims, _) in cells[0].items():
        stacked = np.stack([cell[key][1] for cell in cells])
        by_network = stacked.reshape(len(words), len(first.layers), *stacked.shape[1:])
        variables[key] = (("network", "seed", "layer", *dims), by_network.swapaxes(1, 2))
    variables["n"] = (("class",), np.asarray(tables[0][0].n)[0, 0].astype(np.int64))
    dims, coverage = variables["coverage"]
    variables |= pattern_shares(variables["pattern_entropy"][1], first.widths, variables["n"][1])
    variables["reliability"] = (dims, label(coverage, variables["coincident_pairs"][1]).astype(object))
    if not apart:
        variables["copies"] = (("class",), _copies(words.get("untrained") or next(iter(words.values())), first, seed))
    if bounds:
        variables |= _bounds(words, first, confidence, seed, checkpoints, progress)
    if bootstrap and len(first.layers) > 1:
        variables |= _falls(words, variables, first, bootstrap, seed)

    dataset = xr.Dataset(
        described(variables),
        coords={
            "network": list(words),
            "seed": [r.meta.get("seed", i) for i, r in enumerate(next(iter(networks.values())))],
            "layer": list(first.layers),
            "class": list(first.class_names),
            "estimator": list(estimators),
            "width": ("layer", list(first.widths), {"long_name": "neurons of the layer", "units": "1"}),
        },
        attrs={
            "title": "Entropy of activation patterns by layer and class",
            "shuffles": shuffles,
            "bootstrap": bootstrap,
            "profile_seed": seed,
            **({"bounds_confidence": confidence} if bounds else {}),
            "saturation_limit": SATURATION_LIMIT,
            "min_coincident_pairs": MIN_COINCIDENT_PAIRS,
            "min_coverage": MIN_COVERAGE,
            "quantizer": str(first.meta.get("quantizer", "states given")),
            **_versions(),
        },
    )  # fmt: skip
    if "neuron_fall" in dataset:
        dataset = dataset.assign_coords(step=steps(first.layers))
    return dataset.isel({"network": 0} if not has_network else {}, drop=True).isel(
        {"seed": 0} if not has_seed else {}, drop=True
    )


@cache
def _versions() -> dict[str, str]:
    """Read once: it takes longer than counting a layer."""
    return {f"{name}_version": version(name) for name in ("jaxentropy", "jax", "numpy", "xarray")}


def steps(layers: Sequence[str]) -> list[str]:
    """Names of the steps from each layer to the next: ``fc1→fc2``."""
    return [f"{a}→{b}" for a, b in pairwise(layers)]


def _kept(recording: Recorded) -> Sequence[Kept]:
    """What is known of each layer."""
    if isinstance(recording, Tally):
        return list(zip(recording.prints, recording.on, strict=True))
    return recording.words


def _arrange(
    recordings: Recordings | Mapping[str, Recordings],
) -> tuple[dict[str, list[Recorded]], bool, bool]:
    """Network → one recording a seed, checked to be comparable; and whether network and seed are dimensions."""
    has_network = isinstance(recordings, Mapping)
    by_network = dict(recordings) if isinstance(recordings, Mapping) else {"recorded": recordings}
    has_seed = any(not isinstance(r, Recorded) for r in by_network.values())
    networks = {k: [r] if isinstance(r, Recorded) else list(r) for k, r in by_network.items()}
    if not networks or not all(networks.values()):
        raise InputError("profile: expected at least one recording of each network")
    if "shuffled" in networks:
        raise InputError("profile: the name 'shuffled' is taken by the shuffled-label null; name the network otherwise")
    name, (first, *_) = next(iter(networks.items()))
    for other, group in networks.items():
        if len(group) != len(networks[name]):
            raise InputError(
                f"profile: network '{name}' has {len(networks[name])} recordings and '{other}' {len(group)}; "
                "expected one a seed for each"
            )
        for r in group:
            if (r.layers, r.widths, r.class_names) != (first.layers, first.widths, first.class_names):
                raise InputError(f"profile: '{name}' and '{other}' differ in layers, widths or classes")
            if not np.array_equal(r.labels, first.labels):
                raise InputError(
                    f"profile: '{name}' and '{other}' did not see the same inputs in the same order "
                    f"({first.n} and {r.n} labels); only then are they comparable, so record both on one data set"
                )
        seeds, others = ([r.meta.get("seed") for r in g] for g in (networks[name], group))
        if None not in seeds and seeds != others and set(seeds) == set(others):
            raise InputError(f"profile: '{name}' has the seeds {seeds} and '{other}' {others}; give them in one order")
    return networks, has_network, has_seed


def _bounds(
    words: Mapping[str, Sequence[Any]],
    first: Recorded,
    confidence: float,
    seed: int,
    checkpoints: str | os.PathLike | None,
    progress: bool,
) -> Cell:
    """Brackets of the joint entropy and of the total correlation; NaN for shuffled labels, which need none."""
    names = ("pattern_lower", "pattern_upper", "total_correlation_lower", "total_correlation_upper")
    seeds = len(next(iter(words.values()))[0])
    found = np.full((len(names), len(words), seeds, len(first.layers), first.num_classes), np.nan)
    rows = [np.flatnonzero(first.labels == c) for c in range(first.num_classes)]
    recorded = [(i, layers) for i, (name, layers) in enumerate(words.items()) if name != "shuffled"]
    cells = [(i, s, k, own[s]) for i, layers in recorded for k, own in enumerate(layers) for s in range(seeds)]
    folder = Path(checkpoints) if checkpoints is not None else None
    for i, s, k, packed in tqdm(cells, desc="brackets", unit="layer", disable=not progress):

        def bracketed(packed=packed, width=first.widths[k]):
            states = np.asarray(unpack(packed, width))
            return np.array(brackets([states[r] for r in rows], confidence, seed)[: len(names)])

        settings = (version("jaxentropy"), "any size", first.widths[k], first.num_classes, confidence, seed)
        key = (repr(settings).encode(), packed.tobytes(), first.labels.tobytes())
        found[:, i, s, k] = kept(folder, key, bracketed)
    return {name: (("network", "seed", "layer", "class"), values) for name, values in zip(names, found, strict=True)}


def _copies(words: Sequence[Sequence[np.ndarray]], first: Recorded, seed: int) -> np.ndarray:
    """Whether a class's inputs look like copies of each other, by the patterns of all layers of one seed together."""
    rows = [np.flatnonzero(first.labels == c) for c in range(first.num_classes)]
    together = (np.concatenate([layer[0][own] for layer in words], axis=1) for own in rows)
    return np.array([find_copies(packed, sum(first.widths), seed) is not None for packed in together])


def _falls(words: Mapping[str, Sequence[Any]], made: Cell, first: Recorded, replicates: int, seed: int) -> Cell:
    """Falls of the neuron entropy from layer to layer, and what they exceed the untrained twin's by, with errors."""
    resampled = _resampled(words, first, replicates, seed)
    # constant neurons are so in every replicate: the mean without them is that of all neurons, times a number
    active = np.round((1 - made["never_on"][1] - made["never_off"][1]) * np.array(first.widths))
    without = np.divide(first.widths, active, out=np.full(active.shape, np.nan), where=active > 0)
    dims = ("seed", "step", "class")
    result: Cell = {}
    for kind, scale in (("", np.ones_like(without)), ("_active", without)):
        corrected, bias = (made[f"neuron_entropy{kind}_{name}"][1] for name in ("corrected", "bias"))
        fall, off = -np.diff(corrected, axis=2), bias[:, :, :-1] + bias[:, :, 1:]
        spread = np.full(fall.shape, np.nan)
        for i, name in enumerate(words):
            if name in resampled:
                spread[i] = _spread(-np.diff(resampled[name] * scale[i, ..., None, None], axis=1))
            else:
                fall[i] = off[i] = np.nan
        for name, values in (("", fall), ("_bias", off), ("_se", spread)):
            result[f"neuron_fall{kind}{name}"] = (("network", *dims), values)
    if {"trained", "untrained"} <= set(words):
        fall, off = result["neuron_fall"][1], result["neuron_fall_bias"][1]
        trained, untrained = (list(words).index(name) for name in ("trained", "untrained"))
        excess = -np.diff(resampled["trained"], axis=1) + np.diff(resampled["untrained"], axis=1)
        result["excess_fall"] = (dims, fall[trained] - fall[untrained])
        result["excess_fall_bias"] = (dims, off[trained] + off[untrained])
        result["excess_fall_se"] = (dims, _spread(excess))
        result["excess_fall_mean_se"] = (dims[1:], _spread(excess.mean(0)))
    return result


def _resampled(
    words: Mapping[str, Sequence[Any]], first: Recorded, replicates: int, seed: int
) -> dict[str, np.ndarray]:
    """Neuron entropies ``[seed, layer, class, replicate]`` of each network but the shuffled one."""
    largest = int(np.bincount(first.labels).max())
    resample = partial(
        layer_entropies,
        widths=first.widths,
        num_classes=first.num_classes,
        replicates=replicates,
        chunk_size=128 if largest <= 128 else 512,
    )
    found = {}
    for name in words:
        if name != "shuffled":
            by_seed = zip(*words[name], strict=True)
            replicated = [resample(*_side_by_side(layers, first), seed) for layers in by_seed]
            found[name] = np.stack([np.asarray(own, float) for own in replicated])
    return found


def _side_by_side(layers: Sequence[np.ndarray], first: Recorded) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Every layer's words and the labels, with room."""
    padded = [with_room(words, first.labels, first.num_classes) for words in layers]
    return tuple(words for words, _ in padded), padded[0][1]


def _spread(replicates: np.ndarray) -> np.ndarray:
    """Standard deviation over the last axis; NaN replicates (no input drawn) are left out, if any are left."""
    usable = ~np.isnan(replicates)
    count = usable.sum(-1)
    safe = np.maximum(count, 2)
    mean = np.where(usable, replicates, 0).sum(-1, keepdims=True) / np.maximum(count, 1)[..., None]
    squares = np.where(usable, replicates - mean, 0) ** 2
    return np.where(count > 1, np.sqrt(squares.sum(-1) / (safe - 1)), math.nan)
