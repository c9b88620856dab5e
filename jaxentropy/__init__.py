"""How a neural network's activation patterns settle with depth, and how much of that can be trusted."""

from jaxentropy.base.errors import ConstantLayerWarning, DepthOrderWarning, InputError
from jaxentropy.bounds.brackets import Bracket, bracket
from jaxentropy.claims.judge import Verdict, verdict
from jaxentropy.counting.counts import PatternCounts, count_patterns
from jaxentropy.counting.sharded import count_sharded
from jaxentropy.counting.tallies import Tally, tally
from jaxentropy.estimators import ESTIMATORS, HOST_ESTIMATORS, LABELS, coverage, entropy, label
from jaxentropy.profiling.profiler import profile
from jaxentropy.profiling.storage import load_profile, save_profile
from jaxentropy.recording.packing import pack, unpack
from jaxentropy.recording.recorder import record
from jaxentropy.recording.recording import Recording, concatenate
from jaxentropy.recording.states import Sign, Threshold

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
