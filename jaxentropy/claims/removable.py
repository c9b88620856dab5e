"""Does low activation entropy find removable layers, or does it echo the untrained profile and the order of layers?"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import markdown_table
from jaxentropy.claims.depth_rules import curve, depth_of
from jaxentropy.claims.gathered import Gathers, gathered_from
from jaxentropy.claims.removable_words import removable_text
from jaxentropy.claims.resampling import Estimate, cluster_draws, clustered, estimate

CRITERIA = ("entropy", "untrained entropy", "order", "information", "excess", "random")
"""What may foretell a layer's damage: the class mean of its neuron entropy, trained and untrained; its place, counted
from the last layer (so that all criteria claim: the lower, the less damage); the trained neuron information; trained
entropy less untrained; and chance."""
PICKS = (
    "lowest entropy", "lowest untrained entropy", "most silent neurons", "random", "last", "first", "best possible",
)  # fmt: skip
_RANKED = 3
"""Layers that a network must have for its ranks to be compared."""


@dataclass(frozen=True)
class Removable:
    """Whether criteria find the layers whose nonlinearity is not needed: what ``je.removable`` returns.

    >>> import xarray as xr
    >>> from jaxentropy import removable
    >>> layers = [0.4, 0.3, 0.2, 0.1]
    >>> gathered = xr.Dataset(
    ...     {"test_accuracy": ("member", [0.9]), "linearised_accuracy": (("member", "layer"), [[0.5, 0.6, 0.7, 0.8]]),
    ...      "never_on": (("member", "state", "layer"), [[[0.0] * 4] * 2]),
    ...      "neuron_entropy": (("member", "state", "layer", "class"), [[[[h] for h in layers]] * 2]),
    ...      "neuron_information": (("member", "state", "layer"), [[layers] * 2])},
    ...     {"state": ["untrained", "trained"], "depth": ("member", [4]), "key": ("member", ["a"]),
    ...      "configuration": ("member", ["a"])},
    ... )
    >>> found = removable(gathered)
    >>> float(found.correlation.value.sel(criterion="entropy"))
    1.0

    Attributes:
        correlation: by ``criterion``, ``value``, ``low`` and ``high`` of the mean over networks of Spearman's rank
            correlation, within the network, between the criterion and the damage; ``behind`` is how much it lies
            behind that of the trained entropy (with ``behind_low``, ``behind_high``).
        partial: the trained entropy's rank correlation with the damage at equal place and untrained entropy, among the
            seeds of a configuration.
        picked: by ``pick``, ``value``, ``low`` and ``high`` of the damage (points of test accuracy) when the criterion
            chooses one layer to linearise; ``behind`` is by how much more than *lowest entropy* it costs.
        each: damage by network and layer, and each network's correlations and picks.
        confidence: of the intervals.
        retrained: the same with the damage that is left after retraining, if that was measured.
    """

    correlation: xr.Dataset
    partial: Estimate
    picked: xr.Dataset
    each: xr.Dataset
    confidence: float
    retrained: "Removable | None" = None

    @property
    def text(self) -> str:
        """The answer in sentences."""
        later = self.retrained
        return removable_text(
            self.correlation, self.partial, self.picked, self.each, self.confidence,
            later and (later.correlation, later.partial, later.picked),
        )  # fmt: skip

    def to_markdown(self) -> str:
        """The text, and a table of criteria and one of picks."""
        later = self.retrained
        tables = []
        for name, title in (
            ("criterion", "rank correlation with the damage"), ("pick", "damage (points) of the layer it picks"),
        ):  # fmt: skip
            now = self.correlation if name == "criterion" else self.picked
            then = [] if later is None else [later.correlation if name == "criterion" else later.picked]
            head = [name, title, *(["after retraining"] * len(then))]
            rows = [[str(one), *(str(_estimate_of(table, one)) for table in (now, *then))] for one in now[name].values]
            tables.append(markdown_table(head, rows))
        return "\n\n".join([self.text, *tables]) + "\n"

    def __repr__(self) -> str:
        entropy, untrained = (_estimate_of(self.correlation, one) for one in CRITERIA[:2])
        return f"Removable(rank correlation with the damage: entropy {entropy}, untrained entropy {untrained})"

    def __str__(self) -> str:
        return self.to_markdown()

    _repr_markdown_ = to_markdown


def removable(
    gathered: xr.Dataset | Gathers, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Removable:
    """Hold activation entropy against the damage that is done when a layer's nonlinearity is left out.

    >>> import xarray as xr
    >>> from jaxentropy import removable
    >>> layers = [0.4, 0.3, 0.2, 0.1]
    >>> gathered = xr.Dataset(
    ...     {"test_accuracy": ("member", [0.9]), "linearised_accuracy": (("member", "layer"), [[0.5, 0.6, 0.7, 0.8]]),
    ...      "never_on": (("member", "state", "layer"), [[[0.0] * 4] * 2]),
    ...      "neuron_entropy": (("member", "state", "layer", "class"), [[[[h] for h in layers]] * 2]),
    ...      "neuron_information": (("member", "state", "layer"), [[layers] * 2])},
    ...     {"state": ["untrained", "trained"], "depth": ("member", [4]), "key": ("member", ["a"]),
    ...      "configuration": ("member", ["a"])},
    ... )
    >>> removable(gathered).picked.value.sel(pick=["lowest entropy", "first"]).round(6).values.tolist()
    [10.0, 40.0]

    The *damage* of layer k is the network's test accuracy less that with layer k made linear and nothing retrained.
    Where a sweep was run with ``retrain_epochs``, it is also the accuracy of the network that was trained on for so
    long less that of one that was trained on for as long without that nonlinearity.

    Spearman's rank correlation over the layers of a network says whether a criterion orders them by damage (1 as low
    as the damage, −1 reversed); of networks of three layers or more, averaged. The *partial* correlation is that of
    trained entropy and damage at equal place, with the untrained entropy held: of ranks less their mean over the seeds
    of a configuration at each layer. So it speaks of what seeds differ by, and needs several.

    A *pick* chooses one layer; where several tie, the mean of these. *Random* is the mean over layers.

    Intervals are percentiles over resampled configurations, whose seeds stay together; none from fewer than five.

    Raises:
        InputError: a quantity is missing, or no network has three layers.
    """
    gathered = gathered_from(gathered, "removable")
    members = _usable(gathered)
    at_once = [100 * (float(one.test_accuracy) - curve(one, "linearised_accuracy")) for one in members]
    afterwards = [_damage_after_retraining(one) for one in members]
    settings = {"confidence": confidence, "resamples": resamples, "seed": seed}
    retrained = None
    if all(one is not None for one in afterwards):
        retrained = _held_against([one for one in afterwards if one is not None], members, **settings)
    return replace(_held_against(at_once, members, **settings), retrained=retrained)


def _damage_after_retraining(member: xr.Dataset) -> np.ndarray | None:
    """Points lost to the network that was trained on with all its nonlinearities; None if that was not done."""
    if "retrained_accuracy" not in member or not np.isfinite(float(member.retrained_control)):
        return None
    return 100 * (float(member.retrained_control) - curve(member, "retrained_accuracy"))


def _held_against(
    damages: list[np.ndarray], members: list[xr.Dataset], confidence: float, resamples: int, seed: int
) -> Removable:
    """The criteria against these damages, by layer, of these networks."""
    rng = np.random.default_rng(seed)
    names, cluster = np.unique([str(one.configuration.item()) for one in members], return_inverse=True)
    draws = cluster_draws(len(names), resamples, seed)
    found = [_network(damage, one, rng) for damage, one in zip(damages, members, strict=True)]
    ranked, picks = (np.array([one[k] for one in found]) for k in (0, 1))
    ranks = [one[2] for one in found]
    tables = [
        _summary(dim, labels, values, cluster, draws, confidence)
        for dim, labels, values in (("criterion", CRITERIA, ranked), ("pick", PICKS, picks))
    ]
    longest = max(map(depth_of, members))
    padded = np.full((len(members), longest), np.nan)
    for row, damage in zip(padded, damages, strict=True):
        row[: len(damage)] = damage
    each = xr.Dataset(
        {
            "damage": (("member", "layer"), padded),
            "correlation": (("member", "criterion"), ranked),
            "picked": (("member", "pick"), picks),
        },
        {
            "layer": np.arange(1, longest + 1), "criterion": list(CRITERIA), "pick": list(PICKS),
            "key": ("member", [str(one.key.item()) for one in members]),
            "configuration": ("member", [str(one.configuration.item()) for one in members]),
            "depth": ("member", [depth_of(one) for one in members]),
        },
    )  # fmt: skip
    partial = _partial(ranks, cluster, draws, confidence)
    return Removable(tables[0], partial, tables[1], each, confidence)


def _usable(gathered: xr.Dataset) -> list[xr.Dataset]:
    """The networks of three layers and more of which damage was measured, one by one."""
    lacks = [name for name in ("key", "configuration", "depth") if name not in gathered.coords]
    needed = ("test_accuracy", "linearised_accuracy", "neuron_entropy", "neuron_information", "never_on")
    lacks += [name for name in needed if name not in gathered]
    if lacks or "member" not in gathered.dims:
        raise InputError(
            f"removable: the gathered sweep lacks {', '.join(lacks) or 'the dimension member'}; it has "
            f"{', '.join(map(str, gathered.variables))}"
        )
    measured = gathered.linearised_accuracy.notnull().any("layer")
    deep = np.flatnonzero((gathered.depth.values >= _RANKED) & measured.values)
    if not len(deep):
        raise InputError(
            "removable: expected networks of three FC layers or more, to rank, with linearised_accuracy; got none"
        )
    return [gathered.isel(member=k) for k in deep]


def _network(
    damage: np.ndarray, member: xr.Dataset, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One network: correlations, damage of the picks (points), and ranks of damage, entropy and untrained entropy."""
    entropy, untrained = (curve(member, "neuron_entropy", state) for state in ("trained", "untrained"))
    place = -np.arange(len(damage), dtype=float)
    criteria = {
        "entropy": entropy,
        "untrained entropy": untrained,
        "order": place,
        "information": curve(member, "neuron_information", "trained"),
        "excess": entropy - untrained,
        "random": rng.permutation(len(damage)).astype(float),
    }
    correlations = np.array([rank_correlations(np.array([damage, criteria[name]]))[0, 1] for name in CRITERIA])
    silent = curve(member, "never_on", "trained")
    pick: dict[str, Callable[[], np.ndarray]] = {
        "lowest entropy": lambda: entropy == entropy.min(),
        "lowest untrained entropy": lambda: untrained == untrained.min(),
        "most silent neurons": lambda: silent == silent.max(),
        "random": lambda: np.full(len(damage), True),
        "last": lambda: place == place.min(),
        "first": lambda: place == place.max(),
        "best possible": lambda: damage == damage.min(),
    }
    picked = np.array([damage[pick[name]()].mean() for name in PICKS])
    return correlations, picked, rankdata(np.array([damage, entropy, untrained]), axis=1)


def rank_correlations(rows: np.ndarray) -> np.ndarray:
    """Spearman's correlation between each two rows; NaN where one is constant."""
    ranks = rankdata(rows, axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    squares = (ranks**2).sum(1)
    size = np.sqrt(np.outer(squares, squares))
    return np.divide(ranks @ ranks.T, size, out=np.full(size.shape, np.nan), where=size > 0)


def partial_correlation(matrix: np.ndarray) -> np.ndarray:
    """Of the first two variables, with the others held; NaN where these leave nothing of one of them.

    The pseudo-inverse lets the held ones be functions of each other.

    Args:
        matrix: ``float[..., variable, variable]``, correlations; NaN gives NaN.
    """
    known = np.asarray(np.isfinite(matrix).all((-1, -2)))
    filled = np.where(known[..., None, None], matrix, np.eye(matrix.shape[-1]))
    own, across, held = filled[..., :2, :2], filled[..., :2, 2:], filled[..., 2:, 2:]
    left = own - across @ np.linalg.pinv(held, rcond=1e-9, hermitian=True) @ across.swapaxes(-1, -2)
    variances = left[..., 0, 0], left[..., 1, 1]
    known &= np.minimum(*variances) >= 1e-9
    size = np.sqrt(np.where(known, variances[0] * variances[1], 1.0))
    return np.where(known, left[..., 0, 1] / size, np.nan)


def _partial(ranks: list[np.ndarray], cluster: np.ndarray, draws: np.ndarray, confidence: float) -> Estimate:
    """Of damage and entropy at equal place, the untrained entropy held: what seeds of one configuration differ by.

    Ranks of a layer less their mean over the seeds of its configuration, so that no profile over places, whatever its
    shape, makes a correlation.

    Args:
        ranks: of each network, of damage, entropy and untrained entropy, ``float[3, layer]``.
        cluster, draws: the configuration of each network, and how often each is drawn.
        confidence: of the interval.
    """
    products, several = np.zeros((draws.shape[1], 3, 3)), 0
    for one in range(draws.shape[1]):
        own = np.array([ranks[k] for k in np.flatnonzero(cluster == one)])
        if len(own) > 1:
            apart = own - own.mean(0)
            products[one] = np.einsum("sil,sjl->ij", apart, apart)
            several += 1
    weights = np.concatenate([np.ones((1, draws.shape[1])), draws])
    covariances = np.tensordot(weights, products, 1)
    size = np.sqrt(covariances.diagonal(axis1=1, axis2=2))
    scale = size[:, :, None] * size[:, None, :]
    matrices = np.divide(covariances, scale, out=np.full(scale.shape, np.nan), where=scale > 0)
    still = size[:, 2] <= 0  # seeds do not differ in the untrained entropy, so that nothing is to be held
    matrices[still, 2, :] = matrices[still, :, 2] = 0.0
    matrices[still, 2, 2] = 1.0
    return estimate(partial_correlation(matrices), confidence, several)


def _summary(
    dim: str, labels: tuple[str, ...], values: np.ndarray, cluster: np.ndarray, draws: np.ndarray, confidence: float
) -> xr.Dataset:
    """Means with their intervals, and differences to the first label's with theirs (paired by network)."""
    own = [clustered(column, cluster, draws, confidence) for column in values.T]
    behind = [clustered(column, cluster, draws, confidence) for column in _behind(dim, values).T]
    ends = ("value", "low", "high")
    return xr.Dataset(
        {name: (dim, [one[k] for one in own]) for k, name in enumerate(ends)}
        | {name: (dim, [one[k] for one in behind]) for k, name in enumerate(("behind", "behind_low", "behind_high"))},
        {dim: list(labels)},
    )


def _behind(dim: str, values: np.ndarray) -> np.ndarray:
    """How much worse each is than the first: a smaller correlation, or a greater damage."""
    return values[:, :1] - values if dim == "criterion" else values - values[:, :1]


def _estimate_of(table: xr.Dataset, label: str) -> Estimate:
    one = table.sel({next(iter(table.dims)): label})
    return Estimate(float(one.value), float(one.low), float(one.high))
