"""Activity of single neurons and patterns: firing rates, how often patterns recur, and the patterns themselves."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from scipy.special import entr

from jaxentropy.plots.style import (
    OFF,
    ON,
    SOMETIMES,
    depth_axis,
    drawn_networks,
    layer_colors,
    network_look,
    new_axes,
    of_network,
)
from jaxentropy.recording.packing import identify
from jaxentropy.recording.recording import Recording


def firing_states(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Stacked bars of the shares of neurons that are never, sometimes, and always on over all inputs, by layer.

    >>> states = np.array([[1, 0, 0, 1], [1, 0, 1, 0]], bool)  # 2 inputs, 4 neurons
    >>> profile = je.profile(je.Recording.from_activations({"fc1": states}, [0, 0]), bootstrap=0, bounds=False)
    >>> [float(bar.get_height()) for bar in je.plots.firing_states(profile).patches]  # %: never, sometimes, always
    [25.0, 50.0, 25.0]

    Networks lie side by side, in the profile's order, without ``shuffled``; means over seeds.
    """
    ax = ax or new_axes()
    names = drawn_networks(profile)
    line = 0.8 if profile.sizes["layer"] * len(names) <= 24 else 0.2
    for place, name in enumerate(names):
        one = of_network(profile, name)[["never_on", "never_off"]].mean("seed")
        never, always = 100 * one.never_on.values, 100 * one.never_off.values
        x = np.arange(1, len(never) + 1) + (place - (len(names) - 1) / 2) * 0.8 / len(names)
        foot = np.zeros(len(never))
        for share, color in ((never, OFF), (100 - never - always, SOMETIMES), (always, ON)):
            edge = network_look(name, place)[0]
            ax.bar(x, share, 0.72 / len(names), bottom=foot, color=color, edgecolor=edge, linewidth=line)
            foot = foot + share
    ax.set_ylim(0, 100)
    ax.set_ylabel("neurons (%)")
    depth_axis(ax, profile)
    return ax


def firing_rates(recordings: Mapping[str, Recording], ax: Axes | None = None, *, layer: str) -> Axes:
    """Histogram of a layer's firing rates (share of a class's inputs for which a neuron is on), over classes.

    >>> hidden = np.random.default_rng(0).normal(size=(20, 4))
    >>> recording = je.Recording.from_activations({"fc1": hidden}, np.arange(20) % 2)
    >>> ax = je.plots.firing_rates({"trained": recording}, layer="fc1")
    >>> ax.get_xlabel()
    'firing rate within a class'
    """
    ax = ax or new_axes()
    for place, (name, recording) in enumerate(recordings.items()):
        states = recording.states(layer)
        rates = np.concatenate([states[recording.labels == c].mean(0) for c in np.unique(recording.labels)])
        heights, edges = np.histogram(rates, bins=20, range=(0, 1))
        ax.stairs(heights / len(rates), edges, color=network_look(name, place)[0], lw=1.5, label=name)
    ax.set_xlim(0, 1)
    ax.set_xlabel("firing rate within a class")
    ax.set_ylabel("share of neurons")
    return ax


def rank_frequency(recording: Recording, ax: Axes | None = None) -> Axes:
    """How often a class's commonest pattern is seen, its second commonest …, by layer: mean over classes, log–log.

    >>> hidden = np.random.default_rng(0).normal(size=(20, 4))
    >>> recording = je.Recording.from_activations({"fc1": hidden}, np.arange(20) % 2)
    >>> je.plots.rank_frequency(recording).get_ylabel()
    'inputs that show it'
    """
    ax = ax or new_axes()
    colors = layer_colors(len(recording.layers))
    classes = np.unique(recording.labels)
    for layer, words, color in zip(recording.layers, recording.words, colors, strict=True):
        ranked = [_ranked_counts(words[recording.labels == c]) for c in classes]
        ranks = min(map(len, ranked))  # beyond that, some class has no pattern to average
        mean = np.mean([counts[:ranks] for counts in ranked], axis=0)
        marker = "o" if ranks == 1 else ""
        ax.loglog(np.arange(1, ranks + 1), mean, color=color, lw=1.6, marker=marker, label=layer)
    ax.set_ylim(bottom=0.8)
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("rank of the pattern within its class")
    ax.set_ylabel("inputs that show it")
    return ax


def patterns(recording: Recording, ax: Axes | None = None, *, layer: str, label: int | str, most: int = 150) -> Axes:
    """The activation patterns of one class in one layer as a picture: a row an input, a column a neuron, black is on.

    >>> hidden = np.random.default_rng(0).normal(size=(20, 4))
    >>> recording = je.Recording.from_activations({"fc1": hidden}, np.arange(20) % 2)
    >>> je.plots.patterns(recording, layer="fc1", label=1).images[0].get_array().shape  # inputs of class 1, neurons
    (10, 4)

    Neurons are sorted by firing rate; at most ``most`` inputs are drawn. The class may be asked for as 7 or "7". The
    title gives the layer's neuron entropy H within the class, and the share of neurons that are constant there: on for
    all of its inputs, or for none.
    """
    ax = ax or new_axes()
    label = recording.class_index(label)
    states = recording.take(recording.labels == label).states(layer)
    rates = states.mean(0)
    order = np.argsort(-rates, kind="stable")
    ax.imshow(
        states[:most, order], cmap=ListedColormap([OFF, ON]), vmin=0, vmax=1,
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    entropy = (entr(rates) + entr(1 - rates)).mean() / np.log(2)
    constant = 100 * ((rates == 0) | (rates == 1)).mean()
    ax.set_title(f"{layer}\nH = {entropy:.2f} bits\n{constant:.0f} % constant", fontsize=8)
    ax.set_xlabel("neuron, by firing rate")
    ax.set_ylabel(f"input of class {recording.class_names[label]}")
    return ax


def _ranked_counts(words: np.ndarray) -> np.ndarray:
    """How often each different row occurs, commonest first."""
    return np.sort(np.bincount(identify(words)))[::-1]
