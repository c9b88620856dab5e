"""Which of a profile's numbers may be judged."""

import xarray as xr

from jaxentropy.claims.twins import twins_of
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


def judged_networks(profile: xr.Dataset) -> list[str]:
    """The network that is judged: the trained one, or the first; and its untrained twin, if there is one."""
    names = [str(name) for name in profile.network.values if name != "shuffled"]
    twins = twins_of(profile)
    main = twins.judged if twins.judged in names else names[0]
    return [main, *([twins.baseline] if main == twins.judged and twins.baseline in names else [])]
