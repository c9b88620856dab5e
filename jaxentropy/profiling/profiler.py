"""Recordings → Profile: entropies by layer and class, beside what they would be without training or without labels."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version

import jax
import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.counting.counts import PatternCounts
from jaxentropy.counting.layers import count_layers
from jaxentropy.counting.tallies import Tally
from jaxentropy.estimators import estimator, label
from jaxentropy.estimators.trust import LEAST_PAIRS, MIN_COVERAGE, SATURATION_LIMIT
from jaxentropy.profiling.bootstrap import REPLICATES
from jaxentropy.profiling.brackets import classes_of_copies, pattern_brackets
from jaxentropy.profiling.falls import neuron_falls, steps
from jaxentropy.profiling.inputs import Recordings, arranged, patterns_of
from jaxentropy.profiling.neuron_measures import neuron_quantities
from jaxentropy.profiling.pattern_measures import (
    estimate_tables,
    pattern_quantities,
    pattern_shares,
)
from jaxentropy.profiling.schema import described


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
    networks, has_network, has_seed = arranged(recordings)
    apart = any(isinstance(r, Tally) for group in networks.values() for r in group) or (
        mesh is not None and any(d.process_index != jax.process_index() for d in mesh.devices.flat)
    )
    if apart and (shuffles or bootstrap or bounds):
        raise InputError(
            "profile: shuffles, bootstrap and bounds need all bits in one place; a Tally keeps none, and a mesh of "
            "several processes shares them out. Leave these three out, or record the bits of fewer inputs"
        )
    shuffles = int(has_network and not apart) if shuffles is None else shuffles
    bootstrap = (0 if apart else REPLICATES) if bootstrap is None else bootstrap
    bounds = not apart if bounds is None else bounds
    has_network |= shuffles > 0
    first = next(iter(networks.values()))[0]
    seeds = len(next(iter(networks.values())))
    words = {name: [list(layer) for layer in zip(*map(patterns_of, rs), strict=True)] for name, rs in networks.items()}
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
        variables["copies"] = (
            ("class",),
            classes_of_copies(words.get("untrained") or next(iter(words.values())), first, seed),
        )
    if bounds:
        variables |= pattern_brackets(words, first, confidence, seed, checkpoints, progress)
    if bootstrap and len(first.layers) > 1:
        variables |= neuron_falls(words, variables, first, bootstrap, seed)

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
            "min_coincident_pairs": LEAST_PAIRS,
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
