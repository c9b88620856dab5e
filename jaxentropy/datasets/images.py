"""Image files and encoded images → arrays of one size and one number of channels, read with Pillow."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jaxentropy.base.errors import InputError

_GREY = ("1", "L", "LA", "La")
_DEEP = ("I;16", "I;16B", "I;16L", "I", "F")  # more than eight bits a pixel, of one channel


def image_files(folder: Path) -> list[Path]:
    """The files of a folder that Pillow can read, by their endings, in alphabetical order."""
    from PIL import Image

    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )


def read_image(source: Path | bytes, size: int | None = None) -> np.ndarray:
    """The pixels of an image file, or of its bytes: ``[height, width]`` in grey, ``[height, width, 3]`` in colour.

    Palettes become colours; transparency is left out. With a ``size``, the image is scaled (bilinear) and cut at the
    centre to a square of so many pixels.

    Raises:
        InputError: what is no image, or is damaged.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.mode not in _DEEP:
                image = image.convert("L" if image.mode in _GREY else "RGB")
            if size is not None:
                image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
            return np.asarray(image)
    except Exception as error:  # each of Pillow's formats raises its own on damaged files
        where = f"{source} is" if isinstance(source, Path) else "an image is"
        raise InputError(f"{where} damaged or no image ({' '.join(str(error).split())[:120]})") from error


def stacked(name: str, images: Iterable[tuple[str, np.ndarray]], remedy: str) -> np.ndarray:
    """Images ``[n, height, width, channel]`` of one size; grey ones beside coloured ones become coloured.

    Raises:
        InputError: two images, called by their names, of different sizes (with the ``remedy``) or depths.
    """
    names, arrays = zip(*images, strict=True)
    sizes = [array.shape[:2] for array in arrays]
    for other, size in zip(names, sizes, strict=True):
        if size != sizes[0]:
            (h0, w0), (h, w) = sizes[0], size
            raise InputError(
                f"data set {name}: {names[0]} is {w0} × {h0} pixels, {other} is {w} × {h}; expected one size; {remedy}"
            )
    coloured = any(array.ndim == 3 for array in arrays)
    deep = [array.dtype != np.uint8 for array in arrays]
    if any(deep) and (coloured or len({array.dtype for array in arrays}) > 1):
        raise InputError(
            f"data set {name}: {names[deep.index(True)]} has more than 8 bits a pixel and others have not, or have "
            "colours; save all in one format"
        )
    return np.stack([_channels(array, 3 if coloured else 1) for array in arrays])


def _channels(array: np.ndarray, channels: int) -> np.ndarray:
    return array if array.ndim == 3 else np.repeat(array[..., None], channels, axis=2)
