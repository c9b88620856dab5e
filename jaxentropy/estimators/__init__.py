"""Multiplicities → entropy in bits, and how far an estimate can be trusted."""

from jaxentropy.estimators.entropies import (
    ESTIMATOR_NAMES,
    ESTIMATORS,
    HOST_ESTIMATORS,
    Estimator,
    entropy,
    estimate,
    estimator,
)
from jaxentropy.estimators.jackknife import standard_error
from jaxentropy.estimators.special import binary_entropy
from jaxentropy.estimators.trust import COVERAGE_LIMITS, LABELS, LEAST_PAIRS, coverage, label

__all__ = [
    "COVERAGE_LIMITS",
    "ESTIMATORS",
    "ESTIMATOR_NAMES",
    "HOST_ESTIMATORS",
    "LABELS",
    "LEAST_PAIRS",
    "Estimator",
    "binary_entropy",
    "coverage",
    "entropy",
    "estimate",
    "estimator",
    "label",
    "standard_error",
]
