"""Gathered sweeps, made up: every number is planted."""

import numpy as np
import xarray as xr

DEEPEST = 6


def network(depth: int, **planted) -> dict:
    """One network of so many layers: curves by layer, ``state`` pairs (untrained, trained) where there are two."""
    layers = np.arange(1, depth + 1)
    made = {
        "dataset": "toy",
        "width": 64,
        "seed": 0,
        "accuracy": 0.9,
        "entropy": (0.8 - 0.05 * layers, 0.7 - 0.05 * layers),
        "information": (np.full(depth, 0.1), np.full(depth, 0.4)),
        "probe": np.full(depth, 0.9),
        "centre": np.full(depth, 0.9),
        "linearised": np.full(depth, 0.8),
        "never_on": np.zeros(depth),
        "parameters": 1000 * depth,
        "seconds": 0.1 * depth,
    }
    return made | planted | {"depth": depth}


def gathered(networks: list[dict], classes: int = 3, longest: int = DEEPEST) -> xr.Dataset:
    """What a sweep gathers: padded with NaN beyond each network's layers, and in a class that is not there."""
    n = len(networks)

    def padded(name: str, states: bool) -> np.ndarray:
        values = np.full((n, 2, longest) if states else (n, longest), np.nan)
        for k, one in enumerate(networks):
            values[k, ..., : one["depth"]] = one[name]
        return values

    entropy = np.full((n, 2, longest, classes + 1), np.nan)
    entropy[..., :classes] = padded("entropy", True)[..., None] + 0.01 * (np.arange(classes) - (classes - 1) / 2)
    both, layer = ("member", "state", "layer"), ("member", "layer")
    probes = {f"{name}_accuracy": (both, np.repeat(padded(name, False)[:, None], 2, 1)) for name in ("probe", "centre")}
    along = {name: ("member", [one[name] for one in networks]) for name in ("dataset", "width", "depth", "seed")}
    setting = [f"{one['dataset']}-{one['width']}-{one['depth']}" for one in networks]
    return xr.Dataset(
        {
            "neuron_entropy": ((*both, "class"), entropy),
            "neuron_information": (both, padded("information", True)),
            "never_on": (both, np.repeat(padded("never_on", False)[:, None], 2, 1)),
            "linearised_accuracy": (layer, padded("linearised", False)),
            "test_accuracy": ("member", [float(one["accuracy"]) for one in networks]),
            "parameters": ("member", [one["parameters"] for one in networks]),
            "forward_seconds": ("member", [one["seconds"] for one in networks]),
            **probes,
        },
        along
        | {
            "state": ["untrained", "trained"],
            "layer": np.arange(1, longest + 1),
            "class": np.arange(classes + 1),
            "configuration": ("member", setting),
            "key": ("member", [f"{name}-{one['seed']}" for name, one in zip(setting, networks, strict=True)]),
        },
        {"title": "planted"},
    )


def saturating(depth: int, at: int, top: float = 0.4) -> np.ndarray:
    """A curve that rises up to a layer and is level from there."""
    return top * np.minimum(np.arange(1, depth + 1), at) / at


def planted_sweep(enough: int, said: int, *, seeds: int = 4, widths=(32, 64, 128), datasets=("a", "b")) -> xr.Dataset:
    """Every depth from scratch: accuracy is level from ``enough`` layers on, information says ``said``."""
    rng = np.random.default_rng(3)
    networks = [
        network(
            depth, dataset=dataset, width=width, seed=seed,
            accuracy=0.7 + 0.04 * min(depth, enough) + 1e-4 * rng.normal(),
            information=(np.full(depth, 0.05), saturating(depth, said)),
            probe=0.7 + saturating(depth, enough, 0.04 * enough),
        )
        for dataset in datasets for width in widths for depth in range(1, DEEPEST + 1) for seed in range(seeds)
    ]  # fmt: skip
    return gathered(networks)
