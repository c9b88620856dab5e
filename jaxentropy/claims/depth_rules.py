"""Rules that read off one deep network how many of its FC layers would have been enough."""

import zlib
from collections.abc import Callable

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError

OURS = "gain"
LEAST_INFORMATION = 0.01
"""Bits a neuron: less is no clear difference of information, as in the headline."""
TOLERANCES = {
    "information": 0.05,
    "excess": 0.05,
    "gain": 0.25,
    "probe": 0.005,
    "centre": 0.005,
    "lowest_entropy": 0.5,
    "zero_entropy": 0.01,
}
"""What each rule takes for nothing: shares of the largest value, shares of the test inputs, or bits (its docstring)."""


def information(member: xr.Dataset, tolerance: int | float = TOLERANCES["information"]) -> int:
    """The smallest depth after which no layer adds clear information on the class beyond the untrained twin.

    ``neuron_information`` is what a neuron's state tells of the class, I. A layer k *adds* to a shallower one d where
    the trained network's I rises from d to k, and rises by more than its untrained twin's does, each by more than
    ``tolerance`` times the trained network's largest I, and by more than 0.01 bits. So no credit is taken for what
    depth does without training; nor for a fall of the twin's (whose inputs grow more alike with depth), since a layer
    that keeps what is there adds nothing to it.
    """
    trained, untrained = (curve(member, "neuron_information", state) for state in ("trained", "untrained"))
    margin = max(tolerance * float(trained.max()), LEAST_INFORMATION)
    rise, beyond = _rises(trained), _rises(trained - untrained)
    adds = np.triu(np.minimum(rise, beyond) > margin, 1).any(1)
    return int(np.flatnonzero(~adds)[0]) + 1


def excess(member: xr.Dataset, tolerance: int | float = TOLERANCES["excess"]) -> int:
    """The first layer where I(trained) − I(untrained) is within ``tolerance`` (a share) of its maximum over layers.

    Unlike ``information``, a layer is credited for what the untrained twin *loses* on the way.
    """
    trained, untrained = (curve(member, "neuron_information", state) for state in ("trained", "untrained"))
    gain = trained - untrained
    return _first(gain >= gain.max() - max(tolerance * abs(gain.max()), LEAST_INFORMATION))


def gain(member: xr.Dataset, tolerance: int | float = TOLERANCES["gain"]) -> int:
    """The first layer where I(trained) − I(untrained) reaches ``tolerance`` (a quarter) of its maximum over layers.

    As ``excess``, but far below the top: the layers above one that has learnt to tell classes apart make that plainer
    in each neuron, and accuracy no better. Where the maximum is below 0.01 bits, all layers, since nothing is known.
    """
    trained, untrained = (curve(member, "neuron_information", state) for state in ("trained", "untrained"))
    added = trained - untrained
    return _first(added >= tolerance * added.max()) if added.max() >= LEAST_INFORMATION else depth_of(member)


def summed(member: xr.Dataset) -> int:
    """The first layer whose neurons, trained, tell more of the class than untrained by log₂ C bits, all added up.

    C classes that weigh alike can be told apart by log₂ C bits, which this many neurons could hold if none repeated
    another (they do): a rule of thumb without a tolerance. Where no layer gets there, the layer of the most.
    """
    bits, needed = summed_bits(member)
    enough = bits >= needed
    return _first(enough) if enough.any() else int(bits.argmax()) + 1


def summed_bits(member: xr.Dataset) -> tuple[np.ndarray, float]:
    """By layer, width · (I trained − I untrained), and log₂ C, the bits that tell C classes apart."""
    if "width" not in member.coords:
        raise InputError("the gathered sweep lacks the coordinate width")
    trained, untrained = (curve(member, "neuron_information", state) for state in ("trained", "untrained"))
    curve(member, "neuron_entropy", "trained")  # it must be there, since it shows how many classes there are
    classes = int(member.neuron_entropy.sel(state="trained").isel(layer=0).notnull().sum())
    return int(member.width) * (trained - untrained), float(np.log2(classes))


def probe(member: xr.Dataset, tolerance: int | float = TOLERANCES["probe"]) -> int:
    """The first layer whose linear probe's test accuracy is within ``tolerance`` (0.5 points) of the best layer's."""
    accuracy = curve(member, "probe_accuracy", "trained")
    return _first(accuracy >= accuracy.max() - tolerance - 1e-12)


def centre(member: xr.Dataset, tolerance: int | float = TOLERANCES["centre"]) -> int:
    """Effective depth: the first layer from which the nearest class centre stays as accurate as in the last layer.

    Within ``tolerance`` (0.5 points); a layer that is more accurate than the last one counts as good enough.
    """
    accuracy = curve(member, "centre_accuracy", "trained")
    short = np.flatnonzero(accuracy < accuracy[-1] - tolerance - 1e-12)
    return int(short[-1]) + 2 if len(short) else 1


def lowest_entropy(member: xr.Dataset, tolerance: int | float = TOLERANCES["lowest_entropy"]) -> int:
    """Depth less the layers of lowest neuron entropy: those below ``tolerance`` (one half) of the highest layer's.

    EASIER (ECML-PKDD 2024) ranks layers by the mean over all neurons of the entropy of their states over all inputs,
    replaces the activation of the lowest by the identity, retrains, and goes on until accuracy has fallen too far. Its
    ranking alone gives no number, and we retrain nothing: the share of the highest layer's entropy stands in for its
    stopping rule. The entropy over all inputs is the classes' mean plus ``neuron_information`` (classes weigh alike).
    """
    entropy = pooled_entropy(member)
    return max(len(entropy) - int((entropy < tolerance * entropy.max()).sum()), 1)


def zero_entropy(member: xr.Dataset, tolerance: int | float = TOLERANCES["zero_entropy"]) -> int:
    """Depth less the layers whose neurons have no entropy over all inputs: less than ``tolerance`` (0.01 bits).

    EGP (ICCVW 2023) prunes a network until layers have none, and removes these. Here they are counted without pruning.
    """
    entropy = pooled_entropy(member)
    return max(len(entropy) - int((entropy < tolerance).sum()), 1)


def two(member: xr.Dataset) -> int:
    """Two layers, whatever the network."""
    return min(2, depth_of(member))


def half(member: xr.Dataset) -> int:
    """Half of the layers, rounded up, whatever the network: what reading it has to beat."""
    return (depth_of(member) + 1) // 2


def deepest(member: xr.Dataset) -> int:
    """All layers: nothing is saved."""
    return depth_of(member)


def random(member: xr.Dataset) -> int:
    """Any depth, by lot (the network's key); a validation takes the mean over all depths in its place."""
    return zlib.crc32(str(member.key.item()).encode()) % depth_of(member) + 1


Rule = Callable[..., int]
RULES: dict[str, Rule] = {
    "information": information,
    "excess": excess,
    "gain": gain,
    "summed": summed,
    "probe": probe,
    "centre": centre,
    "lowest_entropy": lowest_entropy,
    "zero_entropy": zero_entropy,
    "two": two,
    "half": half,
    "deepest": deepest,
    "random": random,
}
"""Every rule by name: a network of a gathered sweep (one ``member``) → how many FC layers are enough, 1 or more."""


def rule_named(name: str) -> Rule:
    """One of ``RULES``.

    Raises:
        InputError: no rule has this name.
    """
    if name not in RULES:
        raise InputError(f"depth: no rule is called {name!r}; the rules are {', '.join(RULES)}")
    return RULES[name]


def depth_of(member: xr.Dataset) -> int:
    """How many hidden FC layers this network has."""
    return int(member.depth.item())


def curve(member: xr.Dataset, name: str, state: str | None = None) -> np.ndarray:
    """One quantity of one network by layer, without the padding.

    Raises:
        InputError: the sweep lacks the quantity or the state, or it was not measured in some layer.
    """
    if name not in member:
        raise InputError(f"the gathered sweep lacks {name}; it has {', '.join(map(str, member.data_vars))}")
    values = member[name]
    if state is not None:
        if state not in values.state.values:
            raise InputError(f"{name} is needed of the {state} network; the sweep has {values.state.values}")
        values = values.sel(state=state)
    values = values.isel(layer=slice(0, depth_of(member)))
    if "class" in values.dims:
        values = values.mean("class")
    found = values.values.astype(float)
    if len(found) < depth_of(member) or not np.isfinite(found).all():
        missing = [str(k + 1) for k in range(depth_of(member)) if k >= len(found) or not np.isfinite(found[k])]
        of = f" of the {state} network" if state else ""
        raise InputError(f"{name}{of} was not measured at layer {', '.join(missing)} of network {member.key.item()}")
    return found


def pooled_entropy(member: xr.Dataset) -> np.ndarray:
    """Bits a neuron over the inputs of all classes, by layer of the trained network."""
    return curve(member, "neuron_entropy", "trained") + curve(member, "neuron_information", "trained")


def _rises(values: np.ndarray) -> np.ndarray:
    """By how much each layer (column) exceeds each (row)."""
    return values[None, :] - values[:, None]


def _first(enough: np.ndarray) -> int:
    return int(np.flatnonzero(enough)[0]) + 1
