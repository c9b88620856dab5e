"""Weights out of .safetensors files."""

import json

import numpy as np


def read_safetensors(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of single precision by name; the file is a length, a JSON header and the bytes."""
    start = 8 + int.from_bytes(content[:8], "little")
    arrays = {}
    for name, entry in json.loads(content[8:start]).items():
        if entry.get("dtype") == "F32":
            begin, end = entry["data_offsets"]
            arrays[name] = np.frombuffer(content[start + begin : start + end], np.float32).reshape(entry["shape"])
    return arrays
