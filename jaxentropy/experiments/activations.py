"""Files of activations that any framework wrote, and saved Recordings: of a network, and of its untrained twin."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.lib.npyio import NpzFile

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import open_npz
from jaxentropy.experiments.hdf5 import LABELS, is_hdf5, layers_in_order, open_hdf5
from jaxentropy.profiling.comparable import difference
from jaxentropy.recording.recording import Recording, class_names_of


class _Layers(Mapping[str, Any]):
    """The arrays of an ``.npz`` but its labels, each read when it is asked for, so that memory holds one of them."""

    def __init__(self, arrays: NpzFile):
        self._arrays = arrays

    def __getitem__(self, name: str) -> Any:
        if name == LABELS:
            raise KeyError(name)
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._arrays if name != LABELS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name != LABELS and name in self._arrays


def read_activations(file: Path, layers: Sequence[str] | None = None) -> Recording:
    """A Recording from its own file, or from ``labels`` and one array ``[n, neurons]`` a layer (``.npz`` or HDF5).

    ``layers`` says which arrays are layers, in the order of depth. Arrays of an HDF5 file are read chunk by chunk.
    """
    if is_hdf5(file):
        with open_hdf5(file) as (datasets, opened):
            return _recording(file, datasets, opened, layers)
    with open_npz(
        file,
        missing=f"no file {file}; expected an .npz or .h5 of activations and labels, or a recording",
        damaged=f"{file} is damaged or not an .npz of plain arrays",
    ) as arrays:
        if "header" in arrays:
            return _chosen(file, Recording.load(file), layers)
        return _recording(file, arrays, None, layers)


def read_twins(file: Path, untrained: Path, layers: Sequence[str] | None = None) -> dict[str, Recording]:
    """The recordings ``trained`` and ``untrained``, checked to be of the same layers and of the same inputs."""
    trained, twin = (read_activations(path, layers) for path in (file, untrained))
    trained, twin = _named_alike(trained, twin), _named_alike(twin, trained)
    called = (file.name, untrained.name) if file.name != untrained.name else (str(file), str(untrained))
    if (why := difference(trained, twin, called)) is not None:
        raise InputError(why)
    return {
        name: dataclasses.replace(own, meta={**own.meta, "network": name})
        for name, own in (("trained", trained), ("untrained", twin))
    }


def _recording(file: Path, arrays: Mapping[str, Any], opened: Any, layers: Sequence[str] | None) -> Recording:
    """The recording of a file's arrays; ``opened`` is the HDF5 file whose datasets they are, if so."""
    if LABELS not in arrays:
        how = "np.savez(file, labels=labels, fc1=..., fc2=...)" if opened is None else 'file["labels"] = labels'
        raise InputError(
            f"{file} has no labels, only {', '.join(arrays) or 'nothing'}; save them with the layers: {how}"
        )
    try:
        labels = _read_labels(arrays)
        if opened is None:
            found = _Layers(arrays) if isinstance(arrays, NpzFile) else arrays
        else:
            names = layers_in_order(opened, arrays) if layers is None else arrays
            found = {name: arrays[name] for name in names if name != LABELS}
        return Recording.from_activations(found, labels, meta={"network": "recorded"}, layers=layers)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _read_labels(arrays: Mapping[str, Any]) -> Any:
    """The labels; InputError if they are Python objects, which only a pickle can hold."""
    try:
        return arrays[LABELS][()]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        raise InputError(
            "the labels are Python objects; save them as numbers, or as NumPy strings: np.array(labels, dtype=str)"
        ) from error


def _chosen(file: Path, recording: Recording, layers: Sequence[str] | None) -> Recording:
    """The recording of these layers alone, whose order of depth it knows better than the caller."""
    if layers is None:
        return recording
    for name in layers:
        if name not in recording.layers:
            raise InputError(f"{file}: no layer '{name}'; there are {', '.join(recording.layers)}")
    places = [recording.layers.index(name) for name in layers]
    if places != sorted(set(places)):
        raise InputError(
            f"{file} is a recording, in which the order of depth is {', '.join(recording.layers)}; give --layers in "
            "it, or leave --layers out"
        )
    return dataclasses.replace(
        recording,
        layers=tuple(layers),
        widths=tuple(recording.widths[i] for i in places),
        words=tuple(recording.words[i] for i in places),
    )


def _named_alike(recording: Recording, other: Recording) -> Recording:
    """With the other's class names, where this one's are numbers only and its labels are the other's."""
    unnamed = recording.class_names == class_names_of(None, recording.num_classes - 1)
    if not unnamed or recording.num_classes > other.num_classes:
        return recording
    return dataclasses.replace(recording, class_names=other.class_names)
