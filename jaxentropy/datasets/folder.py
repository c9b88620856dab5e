"""Data sets that are folders of images, one folder a class."""

from pathlib import Path

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.dataset import Dataset, split_off_test, standardised_dataset
from jaxentropy.datasets.images import image_files, read_image, stacked

_LAYOUT = "expected DIR/CLASS/*.png, or DIR/train/CLASS/*.png and DIR/test/CLASS/*.png"


def load_folder(name: str, folder: Path, size: int | None = None) -> Dataset:
    """``DIR/train/CLASS/*`` and ``DIR/test/CLASS/*``; or ``DIR/CLASS/*``, whose test set is a fifth of each class.

    Classes are the names of the folders, in alphabetical order.

    Raises:
        InputError: no such folder or no images in it, images of different sizes without a ``size``, or damaged ones.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; {_LAYOUT}")
    given = [split for split in ("train", "test") if (folder / split).is_dir()]
    if len(given) == 1:
        other = "test" if given == ["train"] else "train"
        raise InputError(
            f"{folder} has a folder {given[0]} but no folder {other}; add it, or give folder:{folder / given[0]}, "
            "of which a fifth of each class becomes the test set"
        )
    parts = [_files(folder / split) for split in given] or [_files(folder)]
    paths = [path for part in parts for path in part]
    images = stacked(  # of both splits at once: grey ones beside coloured ones become coloured
        name,
        ((str(path.relative_to(folder)), read_image(path, size)) for path in paths),
        f"give --dataset 'folder:{folder}?size=32' to scale and cut them to 32 × 32",
    )
    labels = np.array([path.parent.name for path in paths])
    if not given:
        return split_off_test(name, images, labels)
    cut = len(parts[0])
    return standardised_dataset(
        name, images[:cut], labels[:cut], images[cut:], labels[cut:], split_source="the folders train and test"
    )


def _files(folder: Path) -> list[Path]:
    """The image files of each class, class after class."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise InputError(f"{folder} holds no folders of images, one for each class; {_LAYOUT}")
    files = {path: image_files(path) for path in classes}
    if empty := [path for path, own in files.items() if not own]:
        raise InputError(f"{empty[0]} holds no images that Pillow can read; {_LAYOUT}")
    return [path for own in files.values() for path in own]
