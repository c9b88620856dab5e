"""The paper's claims tested over a sweep of networks: does entropy fall with depth, and does it tell accuracy?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import markdown_table
from jaxentropy.claims.gathered import Gathers, gathered_from
from jaxentropy.claims.metric import BASELINES, POOLED, QUANTITIES, TARGETS, correlation_table, member_quantities
from jaxentropy.claims.monotone import (
    FACTORS,
    SHARES,
    drawn_together,
    member_counts,
    share_tables,
    training_table,
    twin_settings,
    without_copies,
)  # fmt: skip
from jaxentropy.claims.survey_words import survey_text

_VARIABLES = (
    "neuron_entropy", "neuron_information", "pattern_information", "neuron_fall", "neuron_fall_se", "neuron_fall_bias",
    "neuron_fall_active", "neuron_fall_active_se", "test_accuracy", "train_accuracy", "train_loss", "parameters",
    "exact",
)  # fmt: skip
_COORDINATES = ("key", "configuration", "seed", *FACTORS)
_DIMENSIONS = ("member", "state", "layer", "step", "class")


@dataclass(frozen=True, eq=False)
class Survey:
    """What a sweep of networks says of the paper's claims: what ``je.survey`` returns.

    >>> import pandas as pd
    >>> print(je.Survey({}, pd.DataFrame(), pd.DataFrame(), 0.95, "Entropy falls in 9 of 10 networks."))
    Entropy falls in 9 of 10 networks.

    ::

        found = je.survey(je.load_sweep("sweep").to_dataset())
        print(found)  # in sentences
        found.shares["activation"]  # in how many networks entropy falls, by activation
        found.correlations.query("dataset == 'pooled' and target == 'test_accuracy'")

    Attributes:
        shares: by ``total``, ``activation``, ``width``, ``depth`` and ``dataset``: a table each, with a row for each
            value, state (trained, untrained) and kind of neurons (all; active: without those that are constant over all
            inputs). ``falls``, ``unclear`` and ``rises`` are shares of cells (networks × steps × classes); the others
            are shares of networks: ``every_step_falls`` (clearly, in every class), ``never_rises`` (clearly),
            ``some_rise`` (at least one clear one), and ``some_rise_corrected``, the same where all cells of a network
            together have the error probability that else each cell has. ``_low`` and ``_high`` enclose them.
        training: shares of trained networks minus those of their untrained twins: of all (``factor`` is total), and of
            each ``value`` of each factor.
        correlations: Spearman's, a row for each ``quantity`` (or baseline: ``kind``), ``target`` and ``dataset`` (and
            ``pooled``: mean of Fisher's z), ``among`` configurations (means over seeds) or seeds (ranks within
            configurations), ``given`` nothing, the size (width, depth, parameters) or the training accuracy.
        confidence: of all intervals.
        text: all that in sentences.
    """

    shares: dict[str, pd.DataFrame]
    training: pd.DataFrame
    correlations: pd.DataFrame
    confidence: int | float
    text: str

    def __repr__(self) -> str:
        total = self.shares.get("total")
        networks = 0 if total is None or total.empty else int(total.networks.iloc[0])
        return f"Survey({networks} networks with steps; print it for what they say)"

    def __str__(self) -> str:
        return self.text

    def to_markdown(self) -> str:
        """The sentences, and the tables."""
        blocks = [self.text]
        for factor, table in self.shares.items():
            head = [factor, "state", "neurons", "networks", "cells", *(_title(name) for name in SHARES)]
            rows = [
                [str(row[name]) for name in (factor, "state", "neurons", "networks", "cells")]
                + [_with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in SHARES]
                for row in table.to_dict("records")
            ]
            blocks.append(markdown_table(head, rows))
        rows = [
            [
                str(row["factor"]), str(row["value"]), row["neurons"], _title(row["share"]),
                _with_interval(row["difference"], row["low"], row["high"]),
            ]
            for row in self.training.to_dict("records")
        ]  # fmt: skip
        blocks.append(markdown_table(["factor", "value", "neurons", "share", "trained − untrained"], rows))
        names = QUANTITIES | BASELINES
        rows = [
            [
                names[row["quantity"]], TARGETS[row["target"]], row["dataset"], row["among"], row["given"],
                _with_interval(row["correlation"], row["low"], row["high"]), str(row["configurations"]),
                str(row["networks"]),
            ]
            for row in self.correlations.to_dict("records")
        ]  # fmt: skip
        head = ["quantity", "target", "data set", "among", "given", "correlation", "configurations", "networks"]
        return "\n\n".join([*blocks, markdown_table(head, rows)])

    _repr_markdown_ = to_markdown


def survey(
    gathered: xr.Dataset | Gathers, *, confidence: int | float = 0.95, resamples: int = 2000, seed: int = 0
) -> Survey:
    """Put the paper's claims to the test: entropy falls with every layer, and it is a metric of performance.

    >>> import xarray as xr
    >>> je.survey(xr.Dataset({"exact": ("member", [])}))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    jaxentropy.base.errors.InputError: survey: the sweep has no neuron_entropy, ...

    ::

        found = je.survey(je.load_sweep("sweep").to_dataset())
        print(found)

    A step is *clear* in a network and class where the fall or rise of the mean neuron entropy is larger than ``z``
    standard errors and the bound of its bias; where all inputs are listed, where it is larger than 1e-9 bits.
    Intervals come from a bootstrap that draws configurations, with all their seeds, within each data set: percentiles.
    Those of untrained networks, and of what training does, draw together all that begin alike (equal width, activation,
    norm and initial scale): a deeper twin has the layers of a shallower one, and what acts in training alone leaves it
    as it is. They are too narrow for fewer than 10 of what is drawn, NaN for fewer than 5, and NaN where what is given
    leaves nothing to correlate in more than 5 % of the resamples. They speak of other configurations like these,
    recorded on the same inputs; those of shares of 0 and 1 have no width, and the text leaves them out.

    Args:
        gathered: a sweep, as ``load_sweep(folder).to_dataset()`` gives it.
        confidence: of the intervals, and of what is called clear.
        resamples: of the bootstrap.
        seed: of its random numbers.

    Raises:
        InputError: no networks, the same network twice, or variables that are missing.
    """
    gathered = gathered_from(gathered, "survey")
    _check(gathered, confidence, resamples)
    of_configurations = drawn_together(gathered, ("configuration",), resamples, seed)
    of_twins = drawn_together(gathered, twin_settings(gathered), resamples, seed)
    counts = member_counts(gathered, confidence)
    drawn = {"trained": of_configurations, "untrained": of_twins}
    shares = share_tables(gathered, without_copies(gathered, counts), drawn, confidence)
    training = training_table(gathered, counts, of_twins, confidence)
    dataset = gathered.dataset.values.astype(str)
    cluster, weights, _ = of_configurations
    table = correlation_table(member_quantities(gathered), dataset, cluster, weights, confidence)
    risen = (counts.state == "trained") & (counts.neurons == "all") & (counts.rises > 0)
    exact_rises = int((risen & gathered.exact.values.astype(bool)[counts.member]).sum())
    text = survey_text(gathered, of_configurations.weights.shape[1], shares, training, table, confidence, exact_rises)
    return Survey(shares, training, table, confidence, text)


def _check(gathered: xr.Dataset, confidence: int | float, resamples: int) -> None:
    missing = [name for name in (*_VARIABLES, *_COORDINATES, *_DIMENSIONS) if name not in gathered.variables]
    missing = [name for name in missing if not (name == "member" and name in gathered.dims)]
    if missing:
        raise InputError(
            f"survey: the sweep has no {', '.join(missing)}; expected what load_sweep(folder).to_dataset() gives"
        )
    if not gathered.sizes["member"]:
        raise InputError("survey: the sweep has no networks; run it first, or look at why they failed")
    states = {str(state) for state in gathered.state.values}
    if not {"trained", "untrained"} <= states:
        raise InputError(
            f"survey: expected the states trained and untrained; got {', '.join(sorted(states)) or 'none'}"
        )
    keys, times = np.unique(gathered.key.values.astype(str), return_counts=True)
    if times.max() > 1:
        raise InputError(f"survey: the network {keys[times.argmax()]} is there {times.max()} times; give each once")
    deepest = int(gathered.depth.max())
    if deepest > gathered.sizes["layer"] or deepest - 1 > gathered.sizes["step"]:
        raise InputError(f"survey: a network has depth {deepest}, but there are {gathered.sizes['layer']} layers")
    if POOLED in gathered.dataset.values.astype(str).tolist():
        raise InputError(f"survey: a data set is called '{POOLED}', as the rows of all data sets are; rename it")
    if not 0 < confidence < 1:
        raise InputError(f"survey: confidence is {confidence}; expected a number between 0 and 1")
    if resamples < 1:
        raise InputError(f"survey: resamples is {resamples}; expected 1 or more")


def _title(name: str) -> str:
    return name.replace("_", " ")


def _with_interval(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "—"
    return f"{value:.2f} ({low:.2f} – {high:.2f})" if np.isfinite(low) else f"{value:.2f}"
