"""Annotations are checked while the tests run; data that several tests share."""

import os
import sys
from collections.abc import Iterator

os.environ.setdefault("MPLBACKEND", "agg")
flags = "--xla_force_host_platform_device_count=8"
if not {"slow", "calibration"} & set(sys.argv) and not os.environ.get("OPTIMISED_XLA"):
    # hundreds of tiny programs: optimising their machine code takes longer than running them
    flags += " --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"

# what is first imported under the hook loses its cached bytecode: seconds in each process
import flax.linen  # noqa: F401
import h5netcdf  # noqa: F401
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax  # noqa: F401
import orbax.checkpoint  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import tyro  # noqa: F401
import xarray  # noqa: F401
from jaxtyping import install_import_hook

hook = install_import_hook("jaxentropy", "beartype.beartype")
hook.__enter__()

import jaxentropy as je
from jaxentropy.datasets import Dataset


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20191123)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def compilations() -> Iterator[list[str]]:
    """Grows with each program that is compiled."""
    seen: list[str] = []
    listening = True

    def listen(event: str, duration_secs: float, **_: str | float) -> None:
        if listening and "backend_compile" in event:
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    listening = False


def toy_images(n: int, rng: np.random.Generator, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """8×8 images of classes that a small network tells apart: a bright spot in a place of its own."""
    labels = np.arange(n) % classes
    images = rng.normal(size=(n, 8, 8)).astype(np.float32)
    for c in range(classes):
        images[labels == c, 2 * c : 2 * c + 2, 1:4] += 2.5
    return images, labels


@pytest.fixture(scope="session")
def toy() -> Dataset:
    rng = np.random.default_rng(7)
    images, labels = toy_images(180, rng)
    return Dataset(
        "toy", images[:120, ..., None], labels[:120].astype(np.int32), images[120:, ..., None],
        labels[120:].astype(np.int32), ("a", "b", "c"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def toy_file(tmp_path_factory) -> str:
    """An .npz data set of the same kind, for the commands."""
    images, labels = toy_images(240, np.random.default_rng(8))
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    np.savez(path, images=images, labels=labels)
    return str(path)


def random_recording(seed: int, n: int = 90, classes: int = 3, widths=(5, 40, 33), labels=None) -> je.Recording:
    """A recording whose layers settle with depth: each layer's neurons are noisier copies of few causes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes if labels is None else labels
    activations = {}
    for depth, width in enumerate(widths, 1):
        causes = rng.normal(size=(classes, 3))[labels] * depth + rng.normal(size=(len(labels), 3))
        activations[f"fc{depth}"] = (causes @ rng.normal(size=(3, width))).astype(np.float32)
    return je.Recording.from_activations(activations, labels, meta={"seed": seed})
