"""What is told of one network of a results folder."""

from typing import NamedTuple

import xarray as xr

from jaxentropy.claims.judge import Verdict


class Part(NamedTuple):
    """One network.

    Attributes:
        profile: of its recordings.
        streamed: of a stream of inputs, if there was one.
        found: the verdict, if there is one.
        text: the summary.
        titles: the title of each figure by its file's name.
    """

    profile: xr.Dataset
    streamed: xr.Dataset | None = None
    found: Verdict | None = None
    text: str = ""
    titles: dict[str, str] = {}  # noqa: RUF012 - never changed
