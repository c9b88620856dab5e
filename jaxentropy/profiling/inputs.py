"""What is profiled: networks, seeds and nulls, checked to be comparable."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.counting.layers import LayerBits
from jaxentropy.counting.tallies import Tally
from jaxentropy.profiling.comparable import Recorded, difference, weights_of
from jaxentropy.recording.recording import Recording

Recordings = Recorded | Sequence[Recording] | Sequence[Tally]


def patterns_of(recording: Recorded) -> Sequence[LayerBits]:
    """What is known of each layer."""
    if isinstance(recording, Tally):
        return list(zip(recording.prints, recording.on, strict=True))
    return recording.words


def arranged(
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
            if (why := difference(first, r, (f"'{name}'", f"'{other}'"))) is not None:
                raise InputError(f"profile: {why}")
        seeds, others = ([r.meta.get("seed") for r in g] for g in (networks[name], group))
        if None not in seeds and seeds != others and set(seeds) == set(others):
            raise InputError(f"profile: '{name}' has the seeds {seeds} and '{other}' {others}; give them in one order")
    return networks, has_network, has_seed


def source_of(networks: Mapping[str, Sequence[Recorded]], mesh: jax.sharding.Mesh | None) -> str:
    """Where counts come from: a ``recording``, with all bits in one place, or one of every input (``enumeration``);
    a ``tally``, or a ``shared recording``."""
    if any(isinstance(r, Tally) for group in networks.values() for r in group):
        return "tally"
    first = next(iter(networks.values()))[0]
    shared = mesh is not None and any(d.process_index != jax.process_index() for d in mesh.devices.flat)
    if len(weights_of(first)):
        if shared:
            raise InputError(
                "profile: an enumeration is profiled by one process, which holds every input; leave mesh out"
            )
        return "enumeration"
    return "shared recording" if shared else "recording"


def with_null(
    networks: Mapping[str, Sequence[Recorded]], shuffles: int, seed: int, rows: np.ndarray | None = None
) -> tuple[dict[str, list[list[LayerBits]]], dict[str, np.ndarray]]:
    """Network → patterns of each layer and seed, and labels ``[seed, shuffle, n]``; with shuffled labels, if asked.

    With ``rows``, ``int[input, position]``, it is inputs that are shuffled, each with its positions.
    """
    first, seeds = next(iter(networks.values()))[0], len(next(iter(networks.values())))
    patterns = {
        name: [list(layer) for layer in zip(*map(patterns_of, group), strict=True)] for name, group in networks.items()
    }
    labels = {name: np.broadcast_to(first.labels, (seeds, 1, first.n)) for name in networks}
    if shuffles:
        source = "trained" if "trained" in networks else next(iter(networks))
        patterns["shuffled"] = patterns[source]
        permuted = [
            [_permuted(first.labels, rows, np.random.default_rng([seed, s, p])) for p in range(shuffles)]
            for s in range(seeds)
        ]
        labels["shuffled"] = np.stack(permuted)
    return patterns, labels


def _permuted(labels: np.ndarray, rows: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    if rows is None:
        return rng.permutation(labels)
    permuted = np.empty_like(labels)
    permuted[rows] = rng.permutation(labels[rows[:, 0]])[:, None]
    return permuted
