"""Data sets of TensorFlow Datasets, read without TensorFlow."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.dataset import Dataset, standardised_dataset
from jaxentropy.datasets.images import read_image, stacked


def load_tfds(name: str, dataset: str, download: bool, size: int | None = None) -> Dataset:
    """The splits train and test of a data set of images, named ``name`` in messages.

    Images are ``tfds.features.Image``, whose files are decoded by Pillow, or ``tfds.features.Tensor``.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise InputError("tfds: needs the extra 'tfds'; install it with pip install 'jaxentropy[tfds]'") from None
    builder = _builder(tfds, name, dataset, download)
    for split in ("train", "test"):
        if split not in builder.info.splits:
            raise InputError(
                f"data set {name} has the splits {', '.join(builder.info.splits)}; expected train and test"
            )
    features = builder.info.features
    if not {"image", "label"} <= set(features):
        raise InputError(f"data set {name} has the features {', '.join(features)}; expected image and label")
    # as TFDS decodes, images of several sizes or channels would not fit one array
    as_file = isinstance(features["image"], tfds.features.Image) and features["image"].np_dtype == np.uint8
    decoders = {"image": tfds.decode.SkipDecoding()} if as_file else None
    found = []
    for split in ("train", "test"):
        try:
            examples = list(builder.as_data_source(split, decoders=decoders))
        except Exception as error:  # TFDS raises many types for what it cannot read without TensorFlow
            raise _unreadable(name, error) from error
        if not examples:
            raise InputError(f"data set {name}: the split {split} is empty")
        found.append(examples)
    images = _images(name, [e["image"] for own in found for e in own], size, as_file)
    labels = [np.array([e["label"] for e in own]) for own in found]
    names = getattr(features["label"], "names", None)
    cut = len(found[0])
    return standardised_dataset(
        name,
        images[:cut],
        labels[0],
        images[cut:],
        labels[1],
        class_names=tuple(names) if names else None,
        split_source="the splits train and test of TensorFlow Datasets",
    )


def _builder(tfds: Any, name: str, dataset: str, download: bool) -> Any:
    """What reads this data set: prepared on this machine already, unless it may be fetched."""
    try:
        builder = tfds.builder(dataset, file_format="array_record", data_dir=os.environ.get("TFDS_DATA_DIR"))
    except tfds.core.DatasetNotFoundError as error:
        raise InputError(f"no TensorFlow data set '{dataset}' ({str(error).splitlines()[0]})") from error
    except ValueError as error:
        raise _unreadable(name, error) from error
    if download:
        try:
            builder.download_and_prepare(file_format="array_record")
        except ImportError as error:  # many builders need TensorFlow to prepare, though none to read
            raise InputError(
                f"data set {name} cannot be prepared here ({str(error).splitlines()[0]}); prepare it once where "
                f"TensorFlow is installed, with file_format='array_record', and copy it to {builder.data_dir}"
            ) from error
    elif not Path(builder.data_dir).exists():
        raise InputError(f"data set {name} is not prepared in {builder.data_dir}; add --download to fetch it")
    return builder


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError(
        f"data set {name} cannot be read without TensorFlow ({' '.join(str(error).split())[:160]}); prepare it anew "
        "with file_format='array_record'"
    )


def _images(name: str, images: list[Any], size: int | None, as_file: bool) -> np.ndarray:
    """All images as one array."""
    if not as_file:
        if size is not None:
            raise InputError(f"data set {name}: its images are tensors, which are not scaled; leave ?size= out")
        return np.stack(images)
    arrays = (read_image(image, size) for image in images)
    remedy = f"give --dataset '{name}?size=32' to scale and cut them to 32 × 32"
    return stacked(name, ((f"image {i}", array) for i, array in enumerate(arrays)), remedy)
