"""Profile → Verdict: does entropy fall with depth, more than without training, and where can nobody tell?"""

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from jaxentropy.base.errors import InputError
from jaxentropy.base.markdown import folded, markdown_table
from jaxentropy.claims.answers import answer_text
from jaxentropy.claims.evidence import CONFIDENCE, has_brackets, is_exact, is_unreliable
from jaxentropy.claims.exact import ROUNDING, equal_where_no_difference, exact_text, exact_words
from jaxentropy.claims.headline import headline
from jaxentropy.claims.twins import BASELINE, JUDGED, twins_of
from jaxentropy.claims.words import counted, pattern_words
from jaxentropy.estimators.trust import MIN_INPUTS
from jaxentropy.profiling.reading import inputs_of, with_all_dimensions

_Z = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Verdict:
    """What a profile says of the claim that entropy falls monotonically with depth.

    >>> states = np.random.default_rng(0).random((200, 4)) < 0.5
    >>> layers = {"fc1": states, "fc2": states[:, :2] & states[:, 2:]}
    >>> recording = je.Recording.from_activations(layers, np.zeros(200, int))
    >>> found = je.verdict(je.profile(recording, bounds=False))
    >>> found.table.neuron.values.ravel().tolist()
    ['falls']
    >>> print(found.headline.splitlines()[0])
    Clear: mean neuron entropy falls: 0.99 → 0.72 bits from fc1 to fc2, recorded.

    Attributes:
        table: a Dataset of words. ``neuron (network, class, step)`` is *falls*, *rises* or *undecided* from a layer to
            the next; ``neuron_mean (network, step)`` judges the mean over classes; ``neuron_monotone (network,
            class)`` is *holds* where every step falls, *contradicted* where one rises, else *undecided*;
            ``neuron_active``, ``neuron_active_mean`` and ``neuron_active_monotone`` say the same of the means without
            the neurons that are constant over all inputs; and ``excess (class, step)`` says whether the trained network
            falls *more* or *less* than its untrained twin (or *undecided*), and ``twin (layer, class)`` whether its
            entropy is *higher* or *lower*, if both are there.
            ``pattern (network, class, pair)`` compares any two layers, the deeper to the shallower (``fc1→fc3``; the
            steps are among them): *falls for certain*, *rises for certain*, *likely falls*, *likely rises*,
            *falls by width* (the deeper layer has too few neurons to hold what the shallower one does) or *undecided*.
            The flag ``pattern_unreliable``, of the same dimensions, says where point estimates are not
            trusted, so that only the brackets could decide.
        text: the same in a few sentences, with a table of the pairs of layers (Markdown).
        headline: the same at first sight: three lines, *Clear*, *Unknown* and *Next*. It begins what is printed.
    """

    table: xr.Dataset
    text: str
    headline: str

    def markdown(self) -> str:
        """How many classes fall, rise or are undecided at each step, as a Markdown table; empty without a step."""
        if not self.table.sizes["step"]:
            return ""
        columns = {}
        for name in self.table.network.values:
            if name != "shuffled":
                one = self.table.sel(network=name)
                columns[f"neuron, {name}"] = one.neuron
                if not one.neuron.equals(one.neuron_active):
                    columns[f"neuron that is not constant, {name}"] = one.neuron_active
                columns[f"pattern, {name}"] = pattern_words(one).sel(pair=one.step.values).rename(pair="step")
        if "excess" in self.table:
            twins = twins_of(self.table)
            columns[f"neuron, {twins.judged} − {twins.baseline}"] = self.table.excess
        rows = [
            [str(step), *(counted(words.sel(step=step)) for words in columns.values())]
            for step in self.table.step.values
        ]
        return markdown_table(["step (classes that …)", *columns], rows)

    def __repr__(self) -> str:
        networks = [str(name) for name in self.table.network.values if name != "shuffled"]
        if not self.table.sizes["step"]:
            return f"Verdict(one layer; {counted(self.table.twin) if 'twin' in self.table else 'no step to judge'})"
        claims = (f"{name}: {counted(self.table.neuron_monotone.sel(network=name))}" for name in networks)
        return f"Verdict(monotone fall of neuron entropy, classes; {'; '.join(claims)})"

    def _repr_markdown_(self) -> str:
        # lines that follow each other would become one
        return self.headline.replace("\n", "\n\n") + "\n\n" + folded(self.details)

    def __str__(self) -> str:
        return f"{self.headline}\n\n{self.details}"

    @property
    def details(self) -> str:
        """The text and the table of steps: all but the headline (Markdown)."""
        return "\n\n".join(part for part in (self.text, self.markdown()) if part) + "\n"


def verdict(
    profile: xr.Dataset,
    estimator: str = "chao_wang_jost",
    *,
    smallest_effect: float = 0.002,
    streamed: xr.Dataset | None = None,
) -> Verdict:
    """Judge each class and each step from a layer to the next; of the pattern entropy, each pair of layers.

    >>> states = np.random.default_rng(0).random((200, 4)) < 0.5
    >>> layers = {"fc1": states, "fc2": states[:, :2] & states[:, 2:]}
    >>> recording = je.Recording.from_activations(layers, np.zeros(200, int))
    >>> je.verdict(je.profile(recording, bounds=False))
    Verdict(monotone fall of neuron entropy, classes; recorded: 1 holds)

    *Neuron entropy* falls (rises) where its interval lies above (below) zero and it changes by ``smallest_effect`` or
    more; with several seeds, in every one of them. The interval is the normal 95 % one of the paired bootstrap over the
    same inputs, widened by ``neuron_fall_bias``, the most by which the expectation of the fall may be off: an interval
    for large samples, which a kind of input that the sample missed may belie (docs/calibration.md has the rates). The
    *excess* over the untrained twin is judged by its mean over seeds: Student's interval of the seeds' spread, widened
    (in squares) by the paired bootstrap's, since all seeds see the same inputs, and by the bias. Neuron entropies of
    classes of fewer than 10 inputs are *undecided*. A class is *monotone* where every step falls. All this is judged
    twice: over all neurons, and without those that are constant over all inputs. Dead neurons have no entropy, so that
    a layer of many of them has a low mean whatever the others do; where both answers differ, the text states both.

    *Pattern entropy* falls (rises) *for certain* from one layer to a deeper one where the deeper layer's bracket
    (``pattern_lower`` to ``pattern_upper``, if the profile has them) lies wholly below (above) the shallower one's, in
    every seed. Either answer is wrong with a probability of at most 5 % (one minus the brackets' confidence) for one
    pair and class: it rests on the upper limit of one layer and the lower limit of the other alone, and each of the two
    fails with at most its share of the 5 %. More seeds do not raise this, since all must agree; it is not corrected for
    the number of pairs and classes. It holds for any number of inputs, drawn independently of each other and of the
    network: not strictly for the network's own training images, and not where the profile's ``copies`` says that inputs
    look like copies of each other, so that all is *undecided* there.

    A layer of d neurons cannot hold more than d bits. Where the deeper layer has fewer neurons than the shallower one
    has bits, by its lower limit in every seed, the fall is no work of the network: *falls by width* stands there in
    place of *falls for certain*. So it does in place of *likely falls* where the shallower estimate less 1.96 standard
    errors exceeds the deeper layer's width in every seed.

    Where brackets do not decide, it *likely* falls or rises by ``estimator``: the normal 95 % interval of the
    difference, of the two jackknife errors added in squares as if independent (though the same inputs stand behind
    both), excludes zero in every seed, and ``reliability`` is *usable* or better in both layers. The estimator's bias
    is not part of that interval, and neither are rare patterns that the sample missed.

    Of a recording with several rows an input (``positions="each"``) all of this goes by inputs: the bootstrap resamples
    them with their positions, 10 of them make a class, and pattern entropies are judged by one position of each (see
    ``profile``), so that *for certain* holds for any number of independent inputs there too. The plug-in, which is of
    all positions, has no error there: with ``estimator="plugin"`` brackets alone decide.

    Of an *enumeration* (a recording of every input) all is exact: a neuron entropy *falls*, *rises* or is *equal* (to
    1e-9 bits), a pattern entropy *falls exactly*, *rises exactly*, *falls by width* or is *equal*, and ``estimator``
    and ``smallest_effect`` are not looked at; *undecided* means there that seeds differ.

    Args:
        profile: what ``jaxentropy.profile`` returned, of recordings with ``bootstrap`` above 0. Of one layer its level,
            information and twin are judged. A tally holds no bits to resample: its neuron entropies are *undecided*.
        estimator: which of the profile's pattern entropies to judge where brackets do not decide.
        smallest_effect: bits a neuron; a change of neuron entropy that is smaller is not worth a word: *undecided*.

        streamed: a profile of the same layers over a stream; the headline takes from it what is known of the joint
            pattern's entropy. The table and the text are of ``profile`` alone.

    Raises:
        InputError: a profile of recordings with ``bootstrap=0``, or without this estimator, or of an earlier version; a
            negative effect.
    """
    if not smallest_effect >= 0:
        raise InputError(f"verdict: smallest_effect is {smallest_effect}; expected 0 or more, in bits a neuron")
    full = _checked(profile)
    if is_exact(full):
        return _exact_verdict(full)
    stream = None
    if streamed is not None:
        if profile.layer.values.tolist() != streamed.layer.values.tolist():
            raise InputError(
                "verdict: the profile and the streamed one have different layers; expected the same network"
            )
        stream = _checked(streamed), verdict(streamed, estimator, smallest_effect=smallest_effect).table
    if estimator not in profile.estimator.values:
        raise InputError(
            f"verdict: the profile has no estimator '{estimator}', only {', '.join(profile.estimator.values)}"
        )
    table = xr.Dataset(
        {
            **_judge_neurons(full, "neuron", "neuron_fall", smallest_effect),
            **_judge_neurons(full, "neuron_active", "neuron_fall_active", smallest_effect),
            **_judge_pairs(full, estimator),
        }
    ).drop_vars("estimator", errors="ignore")
    if "excess_fall" in full:
        table["excess"] = _judge_mean(full, "excess_fall", smallest_effect, "more", "less")
    if "twin_difference" in full:
        table["twin"] = _judge_mean(full, "twin_difference", smallest_effect, "higher", "lower")
    table.attrs |= _names(full)
    return Verdict(table, answer_text(full, table, estimator, smallest_effect), headline(full, table, stream))


def _exact_verdict(full: xr.Dataset) -> Verdict:
    """The verdict on an enumeration."""
    table = xr.Dataset(exact_words(full)).drop_vars("estimator", errors="ignore")
    for name, of, high, low in (
        ("excess", "excess_fall", "more", "less"),
        ("twin", "twin_difference", "higher", "lower"),
    ):
        if of in full:
            table[name] = equal_where_no_difference(_judge_mean(full, of, ROUNDING, high, low), full[of])
    table.attrs |= _names(full)
    return Verdict(table, exact_text(full, table), headline(full, table))


def _names(profile: xr.Dataset) -> dict[str, str]:
    """The attributes by which a table knows how its networks are called, as the profile does."""
    return {name: str(profile.attrs[name]) for name in (JUDGED, BASELINE) if name in profile.attrs}


_FALLS = [f"neuron_fall{kind}{ending}" for kind in ("", "_active") for ending in ("", "_bias", "_se")]
_EARLIER = "verdict: the profile was made by an earlier version; make it again"
_MEASURED_BY_INPUTS = ("neuron_fall", "neuron_fall_active", "excess_fall", "twin_difference")


def _checked(profile: xr.Dataset) -> xr.Dataset:
    """The profile with all dimensions, and NaN for falls that it lacks; InputError if it cannot be judged."""
    could_resample = profile.attrs.get("source", "recording") == "recording"
    if could_resample and "neuron_entropy_se" not in profile:
        if "neuron_entropy_active" in profile:
            raise InputError(
                "verdict: the profile was made with bootstrap=0, so its neuron entropies have no error bars; make it "
                "with bootstrap > 0"
            )
        raise InputError(_EARLIER)
    # what is judged goes by inputs, whatever the rows are
    full = profile.assign(n=inputs_of(profile)).drop_vars("inputs", errors="ignore")
    full = full if "copies" in full else full.assign(copies=("class", np.zeros(profile.sizes["class"], bool)))
    full = with_all_dimensions(full.set_coords(["n", "copies"]))
    if could_resample and full.sizes["layer"] > 1 and not set(_FALLS) <= set(full.data_vars):
        raise InputError(_EARLIER)
    if "neuron_fall" not in full:  # one layer, or nothing to resample
        layers = [str(layer) for layer in full.layer.values]
        full = full.assign_coords(step=[f"{a}→{b}" for a, b in pairwise(layers)])
        dims = ("network", "seed", "step", "class")
        unknown = np.full([full.sizes[dim] for dim in dims], np.nan)
        full = full.assign(dict.fromkeys(_FALLS, (dims, unknown)))
    for name in () if is_exact(full) else _MEASURED_BY_INPUTS:
        for error in (f"{name}_se", f"{name}_mean_se"):
            if error in full:
                full[error] = full[error].where(full.n >= MIN_INPUTS)
    return full


def _judge(
    fall: xr.DataArray, error: xr.DataArray, bias: xr.DataArray | float = 0, smallest: float = 0, how: str = ""
) -> xr.DataArray:
    """falls, rises or undecided, the same in every seed."""
    least = np.maximum(_Z * error + bias, smallest)
    return _words((fall > least).all("seed"), (fall < -least).all("seed"), f"{how}falls", f"{how}rises")


def _judge_neurons(profile: xr.Dataset, name: str, of: str, smallest: float) -> dict[str, xr.DataArray]:
    """Each step in each class, the classes' mean, and whether every step falls: of all neurons, or of some."""
    fall, error, bias = (profile[f"{of}{ending}"] for ending in ("", "_se", "_bias"))
    each = _judge(fall, error, bias, smallest)
    enough = error.notnull()
    mean_fall, mean_bias = (x.where(enough).mean("class") for x in (fall, bias))
    mean_error = (error**2).sum("class") ** 0.5 / enough.sum("class")
    return {
        name: each,
        f"{name}_mean": _judge(mean_fall, mean_error, mean_bias, smallest),
        # of one layer, which has no step, nothing holds
        f"{name}_monotone": _words(
            (each == "falls").all("step") & (each.sizes["step"] > 0),
            (each == "rises").any("step"),
            "holds",
            "contradicted",
        ),
    }


def _judge_pairs(profile: xr.Dataset, estimator: str) -> dict[str, xr.DataArray]:
    """``pattern`` and ``pattern_unreliable`` of the verdict's table, for every pair of layers."""
    names = [f"{a}→{b}" for a, b in combinations(profile.layer.values, 2)]
    earlier, later = np.triu_indices(profile.sizes["layer"], 1)  # in the order of the names

    def both(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
        """The shallower and the deeper layer of each pair."""
        first, second = (
            values.isel(layer=xr.DataArray(at, dims="pair")).drop_vars(["layer", "width"], errors="ignore")
            for at in (earlier, later)
        )
        return first.assign_coords(pair=names), second.assign_coords(pair=names)

    entropy_a, entropy_b = both(profile.pattern_entropy.sel(estimator=estimator, drop=True))
    error_a, error_b = both(profile.pattern_entropy_se.sel(estimator=estimator, drop=True))
    unreliable_a, unreliable_b = both(is_unreliable(profile))
    unreliable = (unreliable_a | unreliable_b).any("seed")
    likely = _judge(entropy_a - entropy_b, (error_a**2 + error_b**2) ** 0.5, how="likely ")
    width = xr.DataArray(profile.width.values[later], dims="pair", coords={"pair": names})
    forced = (likely == "likely falls") & (entropy_a - _Z * error_a > width).all("seed")
    pattern = xr.where(forced, "falls by width", likely).where(~unreliable, "undecided")
    if has_brackets(profile):
        (lower_a, lower_b), (upper_a, upper_b) = both(profile.pattern_lower), both(profile.pattern_upper)
        falls, rises = (upper_b < lower_a).all("seed"), (lower_b > upper_a).all("seed")
        fallen = xr.where((lower_a > width).all("seed"), "falls by width", "falls for certain")
        pattern = xr.where(falls, fallen, xr.where(rises, "rises for certain", pattern))
    table = {"pattern": pattern.where(~profile.copies, "undecided"), "pattern_unreliable": unreliable}
    return {name: words.transpose("network", "class", "pair") for name, words in table.items()}


def _judge_mean(profile: xr.Dataset, name: str, smallest: float, high: str, low: str) -> xr.DataArray:
    """The mean over seeds: from their spread, and the error from the inputs, which the seeds share."""
    values, seeds = profile[name], profile.sizes["seed"]
    error = profile[f"{name}_mean_se"]
    half = (_Z * (error.isel(seed=0) if "seed" in error.dims else error)) ** 2
    if seeds > 1:
        student = stdtrit(seeds - 1, (1 + CONFIDENCE) / 2)
        half = half + (student * values.std("seed", ddof=1)) ** 2 / seeds
    mean, least = values.mean("seed"), np.maximum(np.sqrt(half) + profile[f"{name}_bias"].mean("seed"), smallest)
    return _words(mean > least, mean < -least, high, low)


def _words(above: xr.DataArray, below: xr.DataArray, high: str, low: str) -> xr.DataArray:
    return xr.where(above, high, xr.where(below, low, "undecided"))
