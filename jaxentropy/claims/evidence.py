"""Which of a profile's numbers may be judged."""

import xarray as xr

from jaxentropy.estimators import LABELS

CONFIDENCE = 0.95
MIN_INPUTS = 10
"""In a class of fewer inputs than this the bootstrap's error says nothing; its neuron entropies are undecided. With
more, it still knows nothing of a kind of input that the sample missed."""
TRUSTED = LABELS[: LABELS.index("usable") + 1]
"""The labels of reliability with which point estimates of the pattern entropy are judged."""


def has_brackets(profile: xr.Dataset) -> bool:
    """Whether the profile was made with bounds."""
    return "pattern_lower" in profile


def is_unreliable(profile: xr.Dataset) -> xr.DataArray:
    """Where point estimates of the pattern entropy are not judged."""
    return ~profile.reliability.isin(TRUSTED) | profile.copies
