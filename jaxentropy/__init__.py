"""How a neural network's activation patterns settle with depth, and how much of that can be trusted.

::

    import jaxentropy as je

    recording = je.Recording.from_activations({"fc1": z1, "fc2": z2}, labels)
    profile = je.profile({"recorded": recording})
    print(je.verdict(profile))

``je.plots``, ``je.capture`` and ``je.datasets`` are imported when they are first used.
"""

import importlib
from importlib.metadata import version
from typing import Any

from jaxentropy.base.errors import ConstantLayerWarning, DepthOrderWarning, InputError
from jaxentropy.base.streams import Stream
from jaxentropy.bounds.brackets import Bracket, bracket
from jaxentropy.claims.comparison import Comparison, compare
from jaxentropy.claims.depth import DepthAdvice, advise_depth
from jaxentropy.claims.depth_validation import DepthValidation, validate_depth
from jaxentropy.claims.judge import Verdict, verdict
from jaxentropy.claims.memorisation import Memorisation, memorisation
from jaxentropy.claims.removable import Removable, removable
from jaxentropy.claims.survey import Survey, survey
from jaxentropy.counting.counts import PatternCounts, count_patterns
from jaxentropy.counting.sharded import count_sharded
from jaxentropy.counting.tallies import Tally
from jaxentropy.datasets.augment import Augment
from jaxentropy.estimators import ESTIMATORS, HOST_ESTIMATORS, LABELS, coverage, entropy, label
from jaxentropy.face import layers, record, tally
from jaxentropy.monitor import Monitor
from jaxentropy.profiling.profiler import profile
from jaxentropy.profiling.reading import value
from jaxentropy.profiling.scalars import scalars
from jaxentropy.profiling.storage import load_profile, save_profile
from jaxentropy.profiling.until import Until
from jaxentropy.recording.packing import pack, unpack
from jaxentropy.recording.recording import Recording, concatenate
from jaxentropy.recording.states import Sign, Threshold

__all__ = [
    "ESTIMATORS",
    "HOST_ESTIMATORS",
    "LABELS",
    "Augment",
    "Bracket",
    "Comparison",
    "ConstantLayerWarning",
    "DepthAdvice",
    "DepthOrderWarning",
    "DepthValidation",
    "InputError",
    "Memorisation",
    "Monitor",
    "PatternCounts",
    "Recording",
    "Removable",
    "Sign",
    "Stream",
    "Survey",
    "Tally",
    "Threshold",
    "Until",
    "Verdict",
    "advise_depth",
    "bracket",
    "compare",
    "concatenate",
    "count_patterns",
    "count_sharded",
    "coverage",
    "entropy",
    "label",
    "layers",
    "load_profile",
    "memorisation",
    "pack",
    "profile",
    "record",
    "removable",
    "save_profile",
    "scalars",
    "survey",
    "tally",
    "unpack",
    "validate_depth",
    "value",
    "verdict",
]

__version__ = version("jaxentropy")
_LAZY = ("capture", "datasets", "plots")
_SWEEPS = {"sweep": "engine", "load_sweep": "results"}  # they import flax and what trains networks


def __getattr__(name: str) -> Any:
    if name in _LAZY:  # they import flax, matplotlib or data sets
        return importlib.import_module(f"jaxentropy.{name}")
    if name in _SWEEPS:
        return getattr(importlib.import_module(f"jaxentropy.experiments.sweeps.{_SWEEPS[name]}"), name)
    raise AttributeError(f"module 'jaxentropy' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, *_LAZY, *_SWEEPS, "__version__"])
