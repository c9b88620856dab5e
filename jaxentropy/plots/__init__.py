"""Profiles and Recordings → matplotlib. Every function draws on the axes given, or makes a figure; none shows it.

::

    ax = je.plots.entropy_by_depth(profile, network="trained")
    je.plots.save(je.plots.entropy_figure(profile), "entropy.svg")
"""

from jaxentropy.plots.activity import firing_rates, firing_states, patterns, rank_frequency
from jaxentropy.plots.brackets import bracket_by_depth, total_correlation_by_depth
from jaxentropy.plots.by_depth import entropy_by_depth, information_by_depth
from jaxentropy.plots.depth import accuracy_by_depth, depth_figure, regret_by_rule
from jaxentropy.plots.entropy_figures import entropy_figure, hero_figure
from jaxentropy.plots.figure_list import (
    class_figure,
    close,
    figures,
    firing_figure,
    firing_histogram_figure,
    information_figure,
    patterns_figure,
    rank_figure,
    save,
    total_correlation_figure,
)
from jaxentropy.plots.memorisation import memorisation_by_layer, memorisation_figure
from jaxentropy.plots.survey import correlation_figure, correlation_forest, step_figure, step_shares

__all__ = [
    "accuracy_by_depth",
    "bracket_by_depth",
    "class_figure",
    "close",
    "correlation_figure",
    "correlation_forest",
    "depth_figure",
    "entropy_by_depth",
    "entropy_figure",
    "figures",
    "firing_figure",
    "firing_histogram_figure",
    "firing_rates",
    "firing_states",
    "hero_figure",
    "information_by_depth",
    "information_figure",
    "memorisation_by_layer",
    "memorisation_figure",
    "patterns",
    "patterns_figure",
    "rank_figure",
    "rank_frequency",
    "regret_by_rule",
    "save",
    "step_figure",
    "step_shares",
    "total_correlation_by_depth",
    "total_correlation_figure",
]
