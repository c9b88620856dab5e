"""Recordings → Profile: entropies by layer and class, beside what they would be without training or without labels."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

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
from jaxentropy.profiling.brackets import classes_of_copies, conditional_uppers, pattern_brackets, tally_brackets
from jaxentropy.profiling.clusters import Draws, by_input, notes_of
from jaxentropy.profiling.comparable import Recorded, population_of, positions_of
from jaxentropy.profiling.exact import ESTIMATOR, exact_quantities
from jaxentropy.profiling.falls import neuron_errors, steps
from jaxentropy.profiling.inputs import Recordings, arranged, source_of, with_null
from jaxentropy.profiling.neuron_measures import neuron_quantities
from jaxentropy.profiling.pattern_measures import (
    Cell,
    Estimates,
    estimate_tables,
    pattern_quantities,
    pattern_shares,
    with_plugin_of,
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

    >>> states = np.random.default_rng(0).random((200, 4)) < 0.5
    >>> layers = {"fc1": states, "fc2": states[:, :2] & states[:, 2:]}
    >>> recording = je.Recording.from_activations(layers, np.zeros(200, int))
    >>> profile = je.profile(recording, bounds=False, bootstrap=0)
    >>> profile.neuron_entropy.values.ravel().round(2)  # by layer, of the only class
    array([0.99, 0.72])

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
            network, seed, layer and class, and what a layer adds to the one before an upper bound: seconds a layer. By
            default they do; tallies without recorded draws have one bit a neuron for an upper bound, and tallies say
            nothing of what a layer adds. Those of the entropy hold for any number of independent inputs, those of the
            total correlation, which tallies lack, for large samples.
        confidence: with which a bracket's lower and upper bounds hold together, cell by cell; and with which each
            ``pattern_conditional_upper`` holds on its own.
        seed: of the permutations, of the bootstrap, and of the bounds' models.
        mesh: devices that share the counting. If some belong to other processes, each of these gives the recording (or
            tally) of its own share of the inputs, and all get the profile of the whole; shuffles, bootstrap and bounds
            need all bits in one place and are then to be left out, as for tallies.
        checkpoints: folder that keeps finished bounds, so that a killed call goes on where it was.
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
        only. ``pattern_conditional_upper`` bounds the entropy of the next layer's pattern, given this one's and the
        class, from above (by ``step``; of recordings only).

    Recordings of every input (``exhaustive=True``) have nothing to estimate: the only estimator is ``exact``, all
    errors are 0, ``pattern_lower`` equals ``pattern_upper``, and ``pattern_conditional_upper`` is that
    entropy itself. ``estimators``, ``bootstrap``, ``bounds`` and ``confidence`` are not looked at. The attribute
    ``population`` says *enumeration* there, else *sample* or *stream*.

    Recordings with several rows an input (``positions="each"``): the attribute ``positions`` says so, ``n`` counts
    positions and ``inputs`` inputs, and entropies are those of a position drawn at random of an input drawn at random.
    Rows of one input depend on each other, so that errors come from a bootstrap of *inputs*, labels are shuffled by
    input, and the plug-in has no jackknife error (NaN). What takes draws for independent, and would take patterns that
    recur within an input for coverage, is given of *one position of each input*, drawn by ``seed`` (the same for all
    layers and networks): bounds, total correlation, the other estimators with their errors, ``coverage``,
    ``coincident_pairs``, ``saturation``, ``saturated`` and ``reliability``; each such variable has a ``note``.
    ``neuron_entropy_corrected`` and its bias allow for as large a correction as one position an input would need.
    ``copies`` compares inputs with all their positions. ``pattern_ceiling``, the most that the plug-in can be, goes by
    ``n``: it is no sign of how much this sample can show.

    Edge contract: an empty class is NaN (its ``n`` is 0). A class of one input has plug-in 0 and NaN for the other
    estimators. Where all patterns of a class differ, estimators other than the plug-in are NaN: they would be
    functions of n alone.

    Raises:
        InputError: unknown estimator, negative ``shuffles``, ``bootstrap`` or ``seed``, a ``confidence`` outside
            (0, 1), recordings of different layers, classes, inputs, positions or seeds, or inputs with different
            numbers of rows.
    """
    _check(estimators, {"shuffles": shuffles, "bootstrap": bootstrap, "seed": seed}, confidence)
    networks, has_network, has_seed = arranged(recordings)
    source = source_of(networks, mesh)
    alone = {"network": not has_network, "seed": not has_seed}
    if source == "enumeration":
        return _dropped(_enumerated(networks, has_network if shuffles is None else shuffles, seed), alone)
    has_bits = source == "recording"
    if not has_bits and (shuffles or bootstrap or (bounds and source != "tally")):
        raise InputError(
            "profile: shuffles, bootstrap and the bounds of recordings need all bits in one place; a Tally holds none, "
            "and a mesh of several processes shares them out. Leave these three out, or record the bits of fewer inputs"
        )
    shuffles = int(has_network and has_bits) if shuffles is None else shuffles
    bootstrap = REPLICATES * has_bits if bootstrap is None else bootstrap
    shared = mesh is not None and any(d.process_index != jax.process_index() for d in mesh.devices.flat)
    bounds = not shared if bounds is None else bounds and not shared
    first = next(iter(networks.values()))[0]
    rows = by_input(first)
    every = Draws(*with_null(networks, shuffles, seed, rows), first)
    patterns = every.patterns
    independent = every if rows is None else every.one_position(rows, seed)
    variables = _measured(every, independent, tuple(estimators), mesh)
    if has_bits:
        own = patterns.get("untrained") or next(iter(patterns.values()))
        variables["copies"] = (("class",), classes_of_copies(own, first, seed, rows))
    if bounds:
        if has_bits:
            for made in (pattern_brackets, conditional_uppers):
                variables |= made(independent.patterns, independent.first, confidence, seed, checkpoints, progress)
        else:
            tallies = {
                name: [own if isinstance(own, Tally) else Tally.of(own) for own in group]
                for name, group in networks.items()
            }
            variables |= tally_brackets(tallies, confidence, seed, checkpoints, progress)
    if bootstrap:
        variables |= neuron_errors(patterns, variables, first, bootstrap, seed, rows)
    settings = {"source": source, "shuffles": shuffles, "bootstrap": bootstrap, "profile_seed": seed}
    settings |= {"bounds_confidence": confidence} if bounds else {}
    settings |= population_of(first)
    settings |= {"positions": own} if (own := positions_of(first)) else {}
    return _dropped(_dataset(variables, list(patterns), next(iter(networks.values())), estimators, settings), alone)


def _dropped(dataset: xr.Dataset, alone: Mapping[str, bool]) -> xr.Dataset:
    """Without the dimensions that were not asked for; a null beside a single network needs ``network``."""
    return dataset.isel({d: 0 for d, drop in alone.items() if drop and dataset.sizes[d] == 1}, drop=True)


def _enumerated(networks: Mapping[str, Sequence[Recorded]], shuffles: int, seed: int) -> xr.Dataset:
    """The profile of recordings of every input: nothing to resample, to bound, or to estimate."""
    recordings = next(iter(networks.values()))
    patterns, labels = with_null(networks, shuffles, seed)
    variables = exact_quantities(patterns, labels, recordings[0])
    settings = {"source": "enumeration", "population": "enumeration", "shuffles": int(shuffles), "profile_seed": seed}
    return _dataset(variables, list(patterns), recordings, [ESTIMATOR], settings)


def _check(estimators: Sequence[str], numbers: Mapping[str, int | None], confidence: float) -> None:
    """InputError for what no profile can be made with."""
    if not estimators:
        raise InputError("profile: no estimators; expected one or more names")
    for name in estimators:
        estimator(name)
    for name, number in numbers.items():
        if number is not None and number < 0:
            raise InputError(f"{name} is {number}; expected 0 or more")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; expected a probability between 0 and 1")


def _measured(every: Draws, independent: Draws, estimators: tuple[str, ...], mesh: jax.sharding.Mesh | None) -> Cell:
    """What comes from counts, by network, seed and layer; of all rows, and of those that are independent."""
    patterns, first, clustered = every.patterns, every.first, independent is not every
    # neuron counts become entropies layer by layer; only the short multiplicities wait for the estimators
    counts: list[tuple[PatternCounts, PatternCounts]] = []
    neurons = []
    drawn = list(_counted(independent, mesh)) if clustered else []
    for i, both in enumerate(_counted(every, mesh)):
        neurons.append(neuron_quantities(*both, *[by_class for by_class, _ in drawn[i : i + 1]]))
        counts.append(both)
    by_class, pooled = (
        _estimated([pair[of] for pair in counts], [pair[of] for pair in drawn], estimators) for of in (0, 1)
    )
    cells = [
        neurons[i] | pattern_quantities(*both, by_class[i], pooled[i], *drawn[i : i + 1])
        for i, both in enumerate(counts)
    ]
    variables: Cell = {}
    for key, (dims, _) in cells[0].items():
        stacked = np.stack([cell[key][1] for cell in cells])
        by_network = stacked.reshape(len(patterns), len(first.layers), *stacked.shape[1:])
        variables[key] = (("network", "seed", "layer", *dims), by_network.swapaxes(1, 2))
    variables["n"] = (("class",), np.asarray(counts[0][0].n)[0, 0].astype(np.int64))
    if clustered:
        variables["inputs"] = (("class",), np.asarray(drawn[0][0].n)[0, 0].astype(np.int64))
    variables |= pattern_shares(variables["pattern_entropy"][1], first.widths, variables["n"][1])
    dims, coverage = variables["coverage"]
    variables["reliability"] = (dims, label(coverage, variables["coincident_pairs"][1]).astype(object))
    return variables


def _counted(draws: Draws, mesh: jax.sharding.Mesh | None) -> Iterator[tuple[PatternCounts, PatternCounts]]:
    """Counts by class and over all classes, of each network's layers one after the other."""
    widths = draws.first.widths
    layers = (
        (own, draws.labels[name], width)
        for name in draws.patterns
        for own, width in zip(draws.patterns[name], widths, strict=True)
    )
    return count_layers(layers, draws.first.num_classes, mesh)


def _estimated(
    counts: Sequence[PatternCounts], drawn: Sequence[PatternCounts], estimators: tuple[str, ...]
) -> list[Estimates]:
    """Estimates of independent rows; or of those that were drawn, with the plug-in of all rows."""
    if not drawn:
        return estimate_tables(counts, estimators)
    both = zip(estimate_tables(counts, ("plugin",)), estimate_tables(drawn, estimators), strict=True)
    return [with_plugin_of(whole, own, estimators) for whole, own in both]


def _dataset(
    variables: Cell,
    networks: list[str],
    recordings: Sequence[Recorded],
    estimators: Sequence[str],
    settings: Mapping[str, Any],
) -> xr.Dataset:
    """The variables with their descriptions, coordinates and settings."""
    first = recordings[0]
    dataset = xr.Dataset(
        described(variables),
        coords={
            "network": networks,
            "seed": [r.meta.get("seed", i) for i, r in enumerate(recordings)],
            "layer": list(first.layers),
            "class": list(first.class_names),
            "estimator": list(estimators),
            "width": ("layer", list(first.widths), {"long_name": "neurons of the layer", "units": "1"}),
        },
        attrs=attributes(settings, first.meta.get("quantizer", "states given")),
    )
    if "inputs" in dataset:
        for name, variable in dataset.data_vars.items():
            variable.attrs |= notes_of(str(name))
    return dataset.assign_coords(step=steps(first.layers)) if "step" in dataset.dims else dataset


def attributes(settings: Mapping[str, Any], quantizer: Any) -> dict[str, Any]:
    """What is said of a whole profile: its settings, the limits of trust, versions."""
    return {
        "title": "Entropy of activation patterns by layer and class",
        **settings,
        "saturation_limit": SATURATION_LIMIT,
        "min_coincident_pairs": LEAST_PAIRS,
        "min_coverage": MIN_COVERAGE,
        "quantizer": str(quantizer),
        **_versions(),
    }


@cache
def _versions() -> dict[str, str]:
    """Read once: it takes longer than counting a layer."""
    return {f"{name}_version": version(name) for name in ("jaxentropy", "jax", "numpy", "xarray")}
