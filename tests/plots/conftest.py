"""Two recordings, their profile, and one with brackets made up."""

import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from tests.conftest import random_recording


@pytest.fixture(scope="module")
def recordings():
    return {name: random_recording(s, n=240, widths=(6, 300, 5)) for s, name in enumerate(("trained", "untrained"))}


@pytest.fixture(scope="module")
def dataset(recordings):
    return je.profile(recordings, bootstrap=50, bounds=False)


@pytest.fixture(scope="module")
def bracketed(dataset):
    """Brackets from 1 bit below the plug-in to 11 above it, wider on both sides by a bit with each further class."""
    plugin = dataset.pattern_entropy.sel(estimator="plugin", drop=True)
    known = dataset.network != "shuffled"
    wider = xr.DataArray(np.arange(3.0), dims="class")
    return dataset.assign(
        pattern_lower=(plugin - 1 - wider).where(known),
        pattern_upper=(plugin + 11 + wider).where(known),
        total_correlation_lower=(20 - plugin - wider).where(known),
        total_correlation_upper=(32 - plugin + wider).where(known),
        reliability=xr.full_like(dataset.saturated, "weak", dtype=object),
    ).assign_attrs(dataset.attrs | {"bounds_confidence": 0.95})
