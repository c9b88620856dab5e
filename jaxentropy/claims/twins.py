"""What two networks are called in sentences: trained and untrained, or as the user calls them."""

from dataclasses import dataclass

import xarray as xr

JUDGED, BASELINE = "judged", "baseline"
"""Attributes of a profile: the networks that ``je.compare`` was given, under their names."""


@dataclass(frozen=True)
class Twins:
    """The words for two networks.

    Attributes:
        judged: the name of the network that is judged.
        baseline: the name of the one that it is held against.
    """

    judged: str = "trained"
    baseline: str = "untrained"

    @property
    def _trained(self) -> bool:
        return (self.judged, self.baseline) == ("trained", "untrained")

    @property
    def change(self) -> str:
        """What lies between the two, as the subject of a sentence."""
        return "training" if self._trained else f"the change from {self.baseline} to {self.judged}"

    @property
    def baseline_it(self) -> str:
        """``untrained it``, which falls or does not."""
        return "untrained it" if self._trained else f"in {self.baseline} it"

    @property
    def whether_it_changes(self) -> str:
        """What is asked of the fall."""
        return f"whether {self.change} " + ("changes the fall" if self._trained else "makes the fall another one")

    @property
    def question(self) -> str:
        """The same as a question."""
        return "Is the fall due to training?" if self._trained else f"Is the fall due to {self.change}?"

    @property
    def larger_fall(self) -> str:
        """``The trained fall is larger than its twin's``."""
        if self._trained:
            return "The trained fall is larger than its twin's"
        return f"The fall in {self.judged} is larger than in {self.baseline}"

    @property
    def two_falls(self) -> str:
        """What more seeds would tell apart."""
        if self._trained:
            return "the trained fall from the untrained one"
        return f"the fall in {self.judged} from that in {self.baseline}"

    @property
    def of_baseline(self) -> str:
        """``its untrained twin's``."""
        return "its untrained twin's" if self._trained else f"that of {self.baseline}"


def twins_of(profile: xr.Dataset) -> Twins:
    """The words for the networks of a profile, or of a verdict's table."""
    if JUDGED not in profile.attrs:
        return Twins()
    return Twins(str(profile.attrs[JUDGED]), str(profile.attrs[BASELINE]))
