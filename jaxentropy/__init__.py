"""How a neural network's activation patterns settle with depth, and how much of that can be trusted."""

from jaxentropy.base.errors import ConstantLayerWarning, DepthOrderWarning, InputError
from jaxentropy.bounds.brackets import Bracket, bracket
from jaxentropy.counts import PatternCounts, count_patterns
from jaxentropy.estimators import ESTIMATORS, HOST_ESTIMATORS, LABELS, coverage, entropy, label
from jaxentropy.patterns import Sign, Threshold, pack, unpack
from jaxentropy.profile import profile
from jaxentropy.profile_file import load_profile, save_profile
from jaxentropy.recording import Recording, concatenate, record
from jaxentropy.sharded import count_sharded
from jaxentropy.tally import Tally, tally
from jaxentropy.verdict import Verdict, verdict

__all__ = [
    "ESTIMATORS",
    "HOST_ESTIMATORS",
    "LABELS",
    "Bracket",
    "ConstantLayerWarning",
    "DepthOrderWarning",
    "InputError",
    "PatternCounts",
    "Recording",
    "Sign",
    "Tally",
    "Threshold",
    "Verdict",
    "bracket",
    "concatenate",
    "count_patterns",
    "count_sharded",
    "coverage",
    "entropy",
    "label",
    "load_profile",
    "pack",
    "profile",
    "record",
    "save_profile",
    "tally",
    "unpack",
    "verdict",
]
