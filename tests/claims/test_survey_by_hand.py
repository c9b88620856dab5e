"""The survey's correlations against loops over members and SciPy, of a sweep as uneven as sweeps are."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import rankdata

from jaxentropy.claims.metric import GIVEN
from jaxentropy.claims.ranks import MOST, cluster_weights, estimate
from jaxentropy.claims.survey import survey
from tests.claims.test_survey import row_of, sweep, with_entropy

RESAMPLES = 30
BY_HAND = ("neuron_entropy_last", "neuron_entropy_fall_minus_untrained", "pattern_information_last", "train_loss")


def uneven(seed: int = 4) -> xr.Dataset:
    """Two data sets; configurations of one, two and three seeds; equal accuracies; quantities that are missing."""
    made = sweep(seed, configurations=9, seeds=3, datasets=2)
    rng = np.random.default_rng(seed)
    made = made.isel(member=np.sort(rng.permutation(made.sizes["member"])[:40]))
    entropy, information = made.neuron_entropy.copy(), made.pattern_information.copy()
    entropy[{"class": 1}] = entropy[{"class": 1}].where(made.dataset != "set01")  # its classes are fewer
    information[{"member": [0, 1, 2, 9]}] = np.nan
    return made.assign(
        test_accuracy=made.test_accuracy.round(1), train_accuracy=made.train_accuracy.round(2),
        train_loss=made.train_loss.round(1), neuron_entropy=entropy, pattern_information=information,
    )  # fmt: skip


def facts(member: xr.Dataset) -> dict[str, float]:
    """What one network is judged by, from its own layers alone."""
    depth = int(member.depth)
    entropy = np.nanmean(member.neuron_entropy.values[:, :depth], axis=-1)  # [state, layer]
    fall = entropy[:, 0] - entropy[:, -1]
    accuracy, trained = float(member.test_accuracy), float(member.train_accuracy)
    return {
        "neuron_entropy_last": entropy[1, -1],
        "neuron_entropy_fall_minus_untrained": fall[1] - fall[0],
        "pattern_information_last": float(member.pattern_information[1, depth - 1]),
        "train_loss": float(member.train_loss),
        "test_accuracy": accuracy,
        "generalisation_gap": round(trained - accuracy, 9),
        "width": float(member.width),
        "depth": float(depth),
        "parameters": float(member.parameters),
        "train_accuracy": trained,
    }


def left(x: np.ndarray, y: np.ndarray, held: list[np.ndarray], freedom: int, needed: int) -> float:
    """The correlation of what a fit of the held ones leaves of two centred variables."""
    x, y, *held = (v - v.mean() for v in (x, y, *held))
    if freedom - len(held) < needed:
        return np.nan
    if held:
        basis = np.column_stack(held)
        rest = [v - basis @ np.linalg.lstsq(basis, v, rcond=None)[0] for v in (x, y)]
    else:
        rest = [x, y]
    if any(r @ r < 1e-8 * (v @ v) or not v @ v for r, v in zip(rest, (x, y), strict=True)):
        return np.nan
    return float(rest[0] @ rest[1] / np.sqrt((rest[0] @ rest[0]) * (rest[1] @ rest[1])))


def among_configurations(groups: list[pd.DataFrame], drawn: list[int], names: list[str], needed: int) -> float:
    means = np.array([[np.mean(groups[c][name]) for name in names] for c in drawn]).round(9)
    x, y, *held = (rankdata(column) for column in means.T)
    return left(x, y, held, len(set(drawn)) - 1, needed)


def among_seeds(groups: list[pd.DataFrame], drawn: list[int], names: list[str], needed: int) -> float:
    centred = []
    for c in drawn:
        ranks = [rankdata(groups[c][name].to_numpy().round(9)) for name in names]
        centred.append([r - r.mean() for r in ranks])
    x, y, *held = (np.concatenate(parts) for parts in zip(*centred, strict=True))
    return left(x, y, held, sum(len(groups[c]) - 1 for c in set(drawn)), needed)


@pytest.mark.thorough
def test_every_correlation_and_interval_is_what_loops_give():
    gathered = uneven()
    found = survey(gathered, resamples=RESAMPLES, seed=5).correlations.set_index(
        ["quantity", "target", "dataset", "among", "given"]
    )
    members = [gathered.isel(member=i) for i in range(gathered.sizes["member"])]
    table = pd.DataFrame([facts(one) for one in members])
    dataset, configuration = gathered.dataset.values, gathered.configuration.values
    present = list(dict.fromkeys(configuration))
    strata = np.array([dataset[configuration == c][0] for c in present])
    weights = cluster_weights(strata, RESAMPLES, 5).astype(int)
    intervals = 0
    for name in ("set00", "set01"):
        for quantity in BY_HAND:
            known = np.isfinite(table[quantity].to_numpy())
            own = [table.loc[(configuration == c) & known] for c in present]
            here = [c for c, group in enumerate(own) if strata[c] == name and len(group)]
            for target in ("test_accuracy", "generalisation_gap"):
                for among, correlation in (("configurations", among_configurations), ("seeds", among_seeds)):
                    for given in ("nothing", "training accuracy", *["size"] * (among == "configurations")):
                        names = [quantity, target, *GIVEN[given]]
                        draws = [[c for c in here for _ in range(w[c])] for w in weights]
                        values = np.array(
                            [correlation(own, drawn, names, 1 if i else 2) for i, drawn in enumerate(draws)]
                        )
                        several = [c for c in here if among == "configurations" or len(own[c]) > 1]
                        expected = estimate(values, len(several), 0.95)
                        row = found.loc[(quantity, target, name, among, given)]
                        got = [row.correlation, row.low, row.high]
                        np.testing.assert_allclose(got, expected, atol=1e-7, err_msg=str(row.name))
                        assert row.configurations == len(several)
                        assert row.networks == sum(len(own[c]) for c in several)
                        intervals += np.isfinite(row.low)
    assert intervals > 20


def test_intervals_from_what_is_left_of_few_resamples_are_not_given():
    """Where training accuracy all but ranks test accuracy, most resamples leave nothing to correlate: such intervals
    would be those of the lucky ones, and cover the truth in half the cases."""
    values = np.linspace(-1, 1, 101)
    values[1 : 2 + int(100 * (1 - MOST))] = np.nan
    assert np.isnan(estimate(values, 8, 0.95)[1:]).all()
    values[1] = 0.0
    assert np.isfinite(estimate(values, 8, 0.95)).all()


@pytest.mark.thorough
@pytest.mark.parametrize("configurations", [6, 8, 12])
def test_intervals_given_training_accuracy_cover_zero(configurations):
    """Accuracy follows training accuracy closely, entropy is noise: those intervals that are given cover 0."""
    found = survey(_close(configurations, datasets=40), resamples=150)
    rows = found.correlations.query(
        "given == 'training accuracy' and among == 'configurations' and target == 'test_accuracy' and "
        "dataset != 'pooled' and kind == 'quantity' and low == low"
    )
    assert len(rows) > 20 or configurations < 10
    assert ((rows.low <= 0) & (rows.high >= 0)).sum() >= 0.88 * len(rows)


def _close(configurations: int, datasets: int) -> xr.Dataset:
    made = sweep(configurations, configurations=configurations, seeds=1, datasets=datasets)
    rng = np.random.default_rng(configurations)
    return made.assign(train_accuracy=made.test_accuracy + 0.06 * rng.normal(size=made.sizes["member"]))


def test_data_sets_that_contradict_each_other_are_named():
    made = sweep(6, configurations=14, datasets=2)
    sign = np.where(made.dataset == "set00", 1, -1)
    found = survey(with_entropy(made, sign * made.test_accuracy.values), resamples=100)
    pooled = found.correlations.query(
        "dataset == 'pooled' and quantity == 'neuron_entropy_last' and given == 'nothing'"
    )
    assert (pooled.query("target == 'test_accuracy'").correlation.abs() < 1e-6).all()
    assert "Alone, it is clearly positive for set00 (1.00) and clearly negative for set01 (-1.00)" in found.text
    assert "clearly negative" not in survey(with_entropy(made, made.test_accuracy.values), resamples=100).text


def test_what_holds_at_equal_size_only_is_said():
    """Wide networks have the better accuracy and, but for their width, the lower one with higher entropy."""
    made = sweep(7, configurations=40, seeds=1)
    rng = np.random.default_rng(1)
    width, own = 0.23 * made.width.values / 8, rng.random(40)
    made = made.assign(test_accuracy=("member", width + own), train_accuracy=("member", rng.random(40)))
    found = survey(with_entropy(made, width - own), resamples=200)
    row = row_of(found, given="size")
    assert row.high < 0
    assert row_of(found).low < 0 < row_of(found).high
    assert "with size held the lower entropy has the better accuracy" in found.text


def test_few_configurations_and_unbounded_biases_are_told():
    made = sweep(8, configurations=9)
    text = survey(made, resamples=20).text
    assert "that begin alike; those of fewer than 10 are too narrow." in text
    assert "by their standard errors alone, as the bound of their bias was not gathered" in text
    bounded = made.assign(neuron_fall_active_bias=made.neuron_fall_bias)
    assert "not gathered" not in survey(bounded, resamples=20).text
    assert "too narrow" not in survey(sweep(8, configurations=10), resamples=20).text


def test_opposite_changes_of_too_few_twins_are_told_without_intervals():
    """Two data sets of which training turns falls into rises, and rises into falls."""
    made = sweep(9, configurations=4, datasets=2)
    falls = xr.where((made.dataset == "set00") == (made.state == "trained"), 5.0, -5.0)
    text = survey(made.assign(neuron_fall=0 * made.neuron_fall + falls), resamples=50).text
    assert (
        "By data set it goes from -100 percentage points (set01) to +100 percentage points (set00), of too few for "
        "intervals." in text
    )


def test_baselines_are_all_compared_and_equals_are_level():
    made = sweep(10, configurations=14)
    found = survey(with_entropy(made, made.train_loss.values).assign(test_accuracy=-made.train_loss), resamples=100)
    assert "neuron entropy, last layer (-1.00), level with the strongest baseline, training loss (-1.00)" in found.text
    few = survey(sweep(11, configurations=3), resamples=20).text
    assert "No quantity has an interval with test accuracy: too few configurations." in few
