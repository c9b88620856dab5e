"""Counts of all layers at once → the quantities of a profile that cost next to nothing: no errors, no bounds."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from jaxentropy.counting.counts import PatternCounts
from jaxentropy.counting.watching import LayerCounts
from jaxentropy.profiling.neuron_measures import binary_entropy_on_host
from jaxentropy.profiling.pattern_measures import Cell, Estimates, pattern_quantities
from jaxentropy.profiling.profiler import attributes
from jaxentropy.profiling.schema import described
from jaxentropy.recording.states import Quantizer

ESTIMATOR = "plugin"


def quick_quantities(counts: LayerCounts, widths: Sequence[int]) -> Cell:
    """The same numbers as ``profile`` gives under these names, all with the dimension ``layer`` in front."""
    return _of_neurons(counts, np.asarray(widths)) | _of_patterns(counts)


def quick_profile(
    values: Cell,
    n: np.ndarray,
    layers: Sequence[str],
    widths: Sequence[int],
    class_names: Sequence[str],
    quantizer: Quantizer,
) -> xr.Dataset:
    """These quantities as a Dataset, described as in a profile."""
    width = ("layer", list(widths), {"long_name": "neurons of the layer", "units": "1"})
    return xr.Dataset(
        described({**values, "n": (("class",), n)}),
        coords={"layer": list(layers), "class": list(class_names), "estimator": [ESTIMATOR], "width": width},
        attrs=attributes({"source": "recording", "population": "sample"}, repr(quantizer)),
    )


def _of_neurons(counts: LayerCounts, widths: np.ndarray) -> Cell:
    """From one array of the neurons of all layers, so that NumPy is called as often as for one layer."""
    n, total, ends = counts.n[:, None], counts.n.sum(), np.cumsum(widths)
    starts, empty = ends - widths, counts.n == 0

    def mean(values: np.ndarray, number: np.ndarray = widths) -> np.ndarray:
        return (np.add.reduceat(values, starts, axis=-1) / number).T

    with np.errstate(invalid="ignore", divide="ignore"):
        entropy = binary_entropy_on_host(counts.on / n)
    on = counts.on.sum(0)
    never_on, never_off = on == 0, on == total
    active = np.add.reduceat(~(never_on | never_off), starts, dtype=int)
    neuron, pooled = mean(entropy), mean(binary_entropy_on_host(on / total))
    within = np.where(empty, 0.0, counts.n / total * neuron).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        # a neuron that is constant over all inputs adds nothing to the sum
        of_active = mean(entropy, active)
    by_class, alone = ("layer", "class"), ("layer",)
    return {
        "neuron_entropy": (by_class, neuron),
        "neuron_entropy_pooled": (alone, pooled),
        "neuron_information": (alone, pooled - within),
        "neuron_entropy_active": (by_class, of_active),
        "never_on": (alone, mean(never_on)),
        "never_off": (alone, mean(never_off)),
        "always_on": (by_class, np.where(empty, np.nan, mean((counts.on == n) * 1.0))),
        "always_off": (by_class, np.where(empty, np.nan, mean((counts.on == 0) * 1.0))),
    }


def _of_patterns(counts: LayerCounts) -> Cell:
    """``pattern_quantities`` with layers in the place of seeds, which it treats alike."""
    layers, j = len(counts.f), counts.j[None, None, :]
    none = np.zeros((1, 1, 1, 0), int)
    n, total = (np.broadcast_to(own, (layers, 1, own.size)) for own in (counts.n, counts.n.sum()))
    by_class = PatternCounts(n, none, j, counts.f[:, None])
    pooled = PatternCounts(total, none, j, counts.pooled[:, None, None])
    cell = pattern_quantities(by_class, pooled, _plugin(by_class), _plugin(pooled))
    del cell["pattern_entropy_se"]  # a jackknife
    return {name: (("layer", *dims), values) for name, (dims, values) in cell.items()}


def _plugin(counts: PatternCounts) -> Estimates:
    """The plug-in of every table in NumPy: Σ f·(j/n)·log2(n/j)."""
    n = np.asarray(counts.n)[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        bits = (counts.f * (counts.j / n) * np.log2(n / counts.j)).sum(-1)
    values = np.where(n[..., 0] > 0, bits, np.nan)
    return Estimates(values, values[..., None], np.full((*values.shape, 1), np.nan))
