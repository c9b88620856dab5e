"""Layers in an HDF5 file, and their order of depth, as far as the file knows it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py

from jaxentropy.base.errors import InputError
from jaxentropy.recording.depth import are_numbered

LABELS = "labels"


def is_hdf5(file: str | os.PathLike) -> bool:
    """Whether a file is HDF5 by its content, or at least by its name."""
    return str(file).endswith((".h5", ".hdf5")) or bool(h5py.is_hdf5(os.fspath(file)))


@contextmanager
def open_hdf5(file: str | os.PathLike) -> Iterator[tuple[dict[str, h5py.Dataset], h5py.File]]:
    """(every dataset by its path, the file); nothing is read before a dataset's rows are asked for.

    Raises:
        InputError: no such file, or one that cannot be read to the end of the block.
    """
    try:
        with h5py.File(file, "r") as opened:
            found: dict[str, h5py.Dataset] = {}

            def visit(path: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    found[path] = item

            opened.visititems(visit)
            yield found, opened
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"no file {file}; expected activations and labels, or a recording") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{file} is damaged or not HDF5 ({' '.join(str(error).split())[:120]})") from error


def layers_in_order(file: h5py.File, datasets: Mapping[str, Any]) -> tuple[str, ...]:
    """The layers in the order in which they were written; InputError if the file does not know it.

    HDF5 lists names alphabetically, whatever the order in which they were written, unless the file was made with
    ``h5py.File(..., track_order=True)``. Of one layer, or of numbered ones (fc1, fc2, …), both are the same.
    """
    names = [name for name in datasets if name != LABELS]
    nested = [name for name in names if "/" in name]
    if nested:
        raise InputError(
            f"the dataset {nested[0]} lies in a group, and groups have no order of depth; name the layers in the order "
            f"of depth: --layers {' '.join(names)}"
        )
    if _is_tracked(file):
        root = file["/"]  # which must outlive what is asked of its links
        ordered: list[str] = []
        root.id.links.iterate(lambda name: ordered.append(name.decode()), idx_type=h5py.h5.INDEX_CRT_ORDER)
        return tuple(name for name in ordered if name in names)
    if len(names) > 1 and not are_numbered(names):
        raise InputError(
            f"the file does not know the order of depth: HDF5 lists names alphabetically ({', '.join(names)}), unless "
            f"it was made with h5py.File(..., track_order=True). Name the layers in the order of depth: --layers "
            f"{' '.join(names)} (or as it is)"
        )
    return tuple(names)


def _is_tracked(file: h5py.File) -> bool:
    """Whether the file keeps the order in which its datasets were made."""
    made = file["/"].id.get_create_plist()
    return bool(made.get_link_creation_order() & h5py.h5p.CRT_ORDER_TRACKED)
