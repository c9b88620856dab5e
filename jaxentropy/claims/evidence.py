"""Which of a profile's numbers may be judged."""

import xarray as xr

from jaxentropy.estimators.trust import TRUSTED

CONFIDENCE = 0.95


def is_exact(profile: xr.Dataset) -> bool:
    """Whether every input was listed, so that nothing is estimated."""
    return profile.attrs.get("population") == "enumeration"


def has_brackets(profile: xr.Dataset) -> bool:
    """Whether the profile was made with bounds."""
    return "pattern_lower" in profile


def is_unreliable(profile: xr.Dataset) -> xr.DataArray:
    """Where point estimates of the pattern entropy are not judged."""
    return ~profile.reliability.isin(TRUSTED) | profile.copies
