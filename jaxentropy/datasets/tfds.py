"""Data sets of TensorFlow Datasets that were prepared without TensorFlow."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxentropy.base.errors import InputError
from jaxentropy.datasets.dataset import Dataset, standardised_dataset


def load_tfds(name: str, dataset: str, download: bool) -> Dataset:
    """The splits train and test of a data set of images, named ``name`` in messages."""
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
    return standardised_dataset(name, *arrays, class_names=tuple(names) if names else None)
