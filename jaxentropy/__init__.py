"""How a neural network's activation patterns settle with depth, and how much of that can be trusted."""

from jaxentropy.counts import PatternCounts, count_patterns
from jaxentropy.errors import InputError
from jaxentropy.estimators import ESTIMATORS, HOST_ESTIMATORS, LABELS, coverage, entropy, label
from jaxentropy.patterns import Sign, pack, unpack
from jaxentropy.profile import load_profile, profile, save_profile
from jaxentropy.recording import Recording, concatenate, record
from jaxentropy.verdict import Verdict, verdict

__all__ = [
    "ESTIMATORS",
    "HOST_ESTIMATORS",
    "LABELS",
    "InputError",
    "PatternCounts",
    "Recording",
    "Sign",
    "Verdict",
    "concatenate",
    "count_patterns",
    "coverage",
    "entropy",
    "label",
    "load_profile",
    "pack",
    "profile",
    "record",
    "save_profile",
    "unpack",
    "verdict",
]
