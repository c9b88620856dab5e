"""Every variable of a profile, once: its long name and its units."""

from collections.abc import Mapping

import numpy as np

LONG_NAMES = {
    "n": ("inputs of the class", "1"),
    "inputs": ("inputs of the class, of which n counts every position", "1"),
    "neuron_entropy": ("class-conditional neuron entropy, mean over neurons (plug-in)", "bits"),
    "neuron_entropy_pooled": (
        "neuron entropy over all classes together, mean over neurons (plug-in)",
        "bits",
    ),
    "neuron_information": ("information of a neuron's state about the class, mean over neurons", "bits"),
    "neuron_entropy_corrected": (
        "neuron_entropy, corrected for its bias (Zhang, and half of what may be left)",
        "bits",
    ),
    "neuron_entropy_bias": ("most by which the expectation of neuron_entropy_corrected may be off", "bits"),
    "neuron_entropy_active": (
        "neuron_entropy over the neurons that are not constant over all inputs of all classes (plug-in)",
        "bits",
    ),
    "neuron_entropy_active_corrected": ("neuron_entropy_corrected over the neurons that are not constant", "bits"),
    "neuron_entropy_active_bias": (
        "most by which the expectation of neuron_entropy_active_corrected may be off, for these neurons",
        "bits",
    ),
    "never_on": ("share of neurons that are off for every input of all classes", "1"),
    "never_off": ("share of neurons that are on for every input of all classes", "1"),
    "neuron_entropy_se": ("standard error of neuron_entropy, paired bootstrap over inputs", "bits"),
    "twin_difference": ("neuron_entropy_corrected of the trained network minus that of its untrained twin", "bits"),
    "twin_difference_bias": ("most by which the expectation of twin_difference may be off", "bits"),
    "twin_difference_se": ("standard error of twin_difference, paired bootstrap over inputs", "bits"),
    "twin_difference_mean_se": (
        "standard error of twin_difference's mean over seeds, from the inputs that they share",
        "bits",
    ),
    "neuron_fall": ("fall of neuron_entropy_corrected from a layer to the next", "bits"),
    "neuron_fall_bias": ("most by which the expectation of neuron_fall may be off", "bits"),
    "neuron_fall_se": ("standard error of neuron_fall, paired bootstrap over inputs", "bits"),
    "neuron_fall_active": ("fall of neuron_entropy_active_corrected from a layer to the next", "bits"),
    "neuron_fall_active_bias": ("most by which the expectation of neuron_fall_active may be off", "bits"),
    "neuron_fall_active_se": ("standard error of neuron_fall_active, paired bootstrap over inputs", "bits"),
    "excess_fall": ("neuron_fall of the trained network minus that of its untrained twin", "bits"),
    "excess_fall_bias": ("most by which the expectation of excess_fall may be off", "bits"),
    "excess_fall_se": ("standard error of excess_fall, paired bootstrap over inputs", "bits"),
    "excess_fall_mean_se": ("standard error of excess_fall's mean over seeds, from the inputs that they share", "bits"),
    "pattern_entropy": ("class-conditional entropy of the layer's joint pattern", "bits"),
    "pattern_entropy_se": ("delete-one jackknife standard error of pattern_entropy", "bits"),
    "pattern_ceiling": ("most that pattern_entropy can be: one bit a neuron, and log2 n for the plug-in", "bits"),
    "pattern_entropy_per_neuron": ("pattern_entropy / neurons of the layer", "bits"),
    "pattern_entropy_share": ("pattern_entropy / pattern_ceiling", "1"),
    "pattern_entropy_pooled": ("entropy of the layer's joint pattern over all classes together", "bits"),
    "pattern_information": (
        "pattern_entropy_pooled minus its class-conditional mean; NaN if either is saturated",
        "bits",
    ),
    "pattern_lower": ("lower bound on the entropy of the layer's joint pattern, for independent inputs", "bits"),
    "pattern_upper": ("upper bound on the entropy of the layer's joint pattern, for independent inputs", "bits"),
    "pattern_conditional_upper": (
        "upper bound on the entropy of the next layer's joint pattern, given this layer's, for independent inputs",
        "bits",
    ),
    "copies": ("inputs look like copies or near-copies of each other: error bars and bounds do not hold", "1"),
    "total_correlation_lower": (
        "lower limit of the total correlation, sum of neuron entropies less the joint's, for large samples",
        "bits",
    ),
    "total_correlation_upper": ("upper limit of the total correlation, for large samples", "bits"),
    "reliability": ("what an estimate of pattern_entropy is worth, by its coverage", "1"),
    "patterns": ("different patterns seen", "1"),
    "unique_fraction": ("different patterns seen / inputs", "1"),
    "coverage": ("Good-Turing sample coverage: share of the pattern distribution that was seen", "1"),
    "coincident_pairs": ("pairs of inputs that share a pattern", "1"),
    "saturation": ("plug-in pattern entropy / log2 n, its ceiling", "1"),
    "saturated": ("the sample is too small for the pattern entropy to mean anything", "1"),
    "saturated_pooled": ("the same for pattern_entropy_pooled", "1"),
    "always_on": ("share of neurons that are on for every input of the class", "1"),
    "always_off": ("share of neurons that are off for every input of the class", "1"),
}


Variable = tuple[tuple[str, ...], np.ndarray]
"""Dimensions and values."""


def described(variables: Mapping[str, Variable]) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]:
    """The variables in the order of ``LONG_NAMES``, each with its long name and units.

    Raises:
        LookupError: a variable has no entry. It would otherwise be missing from every profile, and nobody would notice.
    """
    unknown = [name for name in variables if name not in LONG_NAMES]
    if unknown:
        raise LookupError(
            f"profile: {', '.join(unknown)} computed, but not described; expected every variable in "
            "jaxentropy.profiling.schema.LONG_NAMES: add its long name and units there"
        )
    return {
        name: (*variables[name], {"long_name": long_name, "units": units})
        for name, (long_name, units) in LONG_NAMES.items()
        if name in variables
    }
