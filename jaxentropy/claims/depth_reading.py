"""From which networks advice on depth is read, and what either half of the inputs says of them."""

import numpy as np
import xarray as xr

LEARNT = 0.9
"""Training accuracy from which on a network has learnt its task."""
_HALVED = ("neuron_entropy", "neuron_information", "probe_accuracy", "centre_accuracy")


def deepest_that_learnt(networks: xr.Dataset, learnt: int | float = LEARNT) -> xr.Dataset:
    """Of networks that differ by depth and seed: the greatest depth of which half or more learnt, and those that did.

    A network that has not learnt what it was trained on does not show how many layers the task needs. Where no depth
    has enough of them, or nothing is known of training accuracy, all of the greatest depth are given.
    """
    depths = networks.depth.values
    if learning_is_known(networks):
        reached = networks.train_accuracy.values >= learnt
        for depth in np.unique(depths)[::-1]:
            if reached[depths == depth].mean() >= 0.5:
                return networks.isel(member=np.flatnonzero((depths == depth) & reached))
    return networks.isel(member=np.flatnonzero(depths == depths.max()))


def learning_is_known(networks: xr.Dataset) -> bool:
    """Whether training accuracy was measured."""
    return "train_accuracy" in networks and bool(networks.train_accuracy.notnull().any())


def all_learnt(networks: xr.Dataset, learnt: int | float) -> bool:
    """Whether these networks have learnt their task, as far as that is known."""
    return not learning_is_known(networks) or bool((networks.train_accuracy.values >= learnt).all())


def by_halves(member: xr.Dataset) -> list[xr.Dataset]:
    """The network as either half of the inputs shows it; none where halves were not measured.

    Where all inputs were listed, only what is measured on test inputs is halved.
    """
    there = [name for name in _HALVED if f"{name}_half" in member and member[f"{name}_half"].notnull().any()]
    if not there:
        return []
    return [member.assign({name: member[f"{name}_half"].isel(half=h, drop=True) for name in there}) for h in (0, 1)]
