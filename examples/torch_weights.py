"""Weights out of PyTorch's files, without PyTorch."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

_TYPES = {"FloatStorage": np.float32, "DoubleStorage": np.float64, "HalfStorage": np.float16, "LongStorage": np.int64}


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a state dict that ``torch.save`` wrote, by name."""
    with zipfile.ZipFile(path) as archive:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = index.removesuffix("data.pkl")
        return dict(_Reader(archive, folder, io.BytesIO(archive.read(index))).load())


class _Reader(pickle.Unpickler):
    """Knows dictionaries and tensors, and refuses all else: a pickle can run any code."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, index: io.BytesIO):
        super().__init__(index)
        self.archive, self.folder = archive, folder

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which no state dict of arrays needs")

    def persistent_load(self, pid) -> np.ndarray:
        _, kind, key, _, _ = pid
        return np.frombuffer(self.archive.read(f"{self.folder}data/{key}"), kind)


def _tensor(storage: np.ndarray, offset: int, shape: tuple, strides: tuple, *_) -> np.ndarray:
    steps = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()
