"""Named data sets as arrays of standardised images and labels.

::

    data = je.datasets.load("mnist5k")
    data.train_images.shape  # (4000, 28, 28, 1)
"""

from jaxentropy.datasets.dataset import Dataset
from jaxentropy.datasets.sources import NAMES, load

__all__ = ["NAMES", "Dataset", "load"]
