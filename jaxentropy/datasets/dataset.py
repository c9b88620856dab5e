"""Images and labels, checked and standardised: for training and for testing."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.labels import check_classes, classes_of

SPLITS = ("train", "test", "all")
_SPLIT_SEED = 20190514


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels.

    >>> images, labels = np.zeros((3, 2, 2, 1), np.float32), np.array([0, 1, 1])
    >>> data = je.datasets.Dataset("tiny", images, labels, images, labels, ("cat", "dog"))
    >>> [len(batch) for batch, _ in data.batches("train", 2)]
    [2, 1]

    Attributes:
        name: what ``load`` was asked for.
        train_images, test_images: ``float32[n, height, width, channel]``, standardised: minus the mean of all pixels
            of the training images, divided by their standard deviation (inputs of a task are as the task says).
        train_labels, test_labels: ``int32[n]``, ``0 .. len(class_names) - 1``.
        class_names: a name for each class.
        exhaustive: training and test images together are every input there is, each once.
        pixel_mean, pixel_scale: what was subtracted from each pixel, and what it was then divided by.
        split_source: where the split into training and test set came from, in words.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    exhaustive: bool = False
    pixel_mean: float = 0.0
    pixel_scale: float = 1.0
    split_source: str = "training and test set as they were given"

    def batches(self, split: str, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images and labels of ``train``, ``test`` or ``all`` in order, ``size`` at a time, the last batch shorter."""
        if split not in SPLITS:
            raise InputError(f"unknown split '{split}'; choose from {', '.join(SPLITS)}")
        parts = {"train": (self.train_images, self.train_labels), "test": (self.test_images, self.test_labels)}
        images, labels = parts[split] if split in parts else map(np.concatenate, zip(*parts.values(), strict=True))
        for start in range(0, len(labels), size):
            yield images[start : start + size], labels[start : start + size]

    def preparation(self) -> dict[str, float | str]:
        """What was done to the data before any network saw them: attributes of the results."""
        return {"pixel_mean": self.pixel_mean, "pixel_scale": self.pixel_scale, "split_source": self.split_source}

    def digest(self) -> str:
        """A fingerprint of all images and labels: another data set under the same name has another."""
        total = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            total.update(repr(array.shape).encode())
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()[:16]


def split_off_test(
    name: str, images: np.ndarray, labels: np.ndarray, *, class_names: tuple[str, ...] | None = None
) -> Dataset:
    """A fifth of each class, chosen by a fixed seed, becomes the test set."""
    [labels], names = classes_of(name, [labels], class_names)
    check_pair(name, "images", images, labels)
    rng = np.random.default_rng(_SPLIT_SEED)
    train, test = [], []
    for c in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == c))
        cut = len(members) // 5
        test.append(members[:cut])
        train.append(members[cut:])
    chosen = [np.sort(np.concatenate(part)) for part in (train, test)]
    if not len(chosen[1]):
        raise InputError(
            f"data set {name}: there are no test images, since no class has the 5 images of which a fifth is one; give "
            "more, or a test set of your own"
        )
    return standardised_dataset(
        name,
        *(a[part] for part in chosen for a in (images, labels)),
        class_names=names,
        split_source=f"a fifth of each class to test, by the fixed seed {_SPLIT_SEED}",
    )


def standardised_dataset(
    name: str,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    class_names: tuple[str, ...] | None = None,
    split_source: str = "training and test set as the source has them",
) -> Dataset:
    """A checked Dataset of these arrays, standardised by the training images."""
    (train_labels, test_labels), names = classes_of(name, [train_labels, test_labels], class_names)
    check_pair(name, "training images", train_images, train_labels)
    check_pair(name, "test images", test_images, test_labels)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"data set {name}: training images are {train_images.shape[1:]}, test images {test_images.shape[1:]}"
        )
    mean, deviation = float(train_images.mean()), float(train_images.std())
    if deviation == 0:
        raise InputError(f"data set {name}: all training pixels are {mean:g}; there is nothing to learn from")
    check_classes(name, train_labels, test_labels, names)

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
        pixel_mean=mean,
        pixel_scale=deviation,
        split_source=split_source,
    )


def check_pair(name: str, what: str, images: np.ndarray, labels: np.ndarray) -> None:
    """InputError unless these are images, and a class number for each."""
    if images.ndim not in (3, 4) or not np.issubdtype(images.dtype, np.number):
        raise InputError(
            f"data set {name}: the {what} are {images.dtype}{list(images.shape)}; "
            "expected numbers [n, height, width] or [n, height, width, channel]"
        )
    if labels.ndim != 1 or len(labels) != len(images):
        raise InputError(
            f"data set {name}: {len(images)} {what} and labels {labels.dtype}{list(labels.shape)}; "
            "expected a label for each image"
        )
    if not images.size:
        raise InputError(f"data set {name}: there are no {what}")
    if np.issubdtype(images.dtype, np.floating) and not np.isfinite(images).all():
        raise InputError(f"data set {name}: the {what} hold NaN or infinite values")
