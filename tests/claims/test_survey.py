"""The survey against counts by hand, SciPy's correlations, and sweeps in which the answer was planted."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import rankdata, spearmanr

import jaxentropy as je
from jaxentropy.claims.metric import member_quantities
from jaxentropy.claims.monotone import SHARES
from jaxentropy.claims.ranks import cluster_weights, correlations, rank_covariances
from jaxentropy.claims.survey import Survey, survey

STATES = ["untrained", "trained"]
CONFIGURATIONS = 12


def sweep(
    seed: int = 0,
    configurations: int = CONFIGURATIONS,
    seeds: int = 2,
    datasets: int = 1,
    layers: int = 3,
    classes: int = 2,
) -> xr.Dataset:
    """A sweep in which everything is noise, of networks of two layers or more."""
    rng = np.random.default_rng(seed)
    members = configurations * seeds * datasets
    of = np.arange(members) // seeds
    own = rng.random(configurations * datasets)[of]
    depth = 2 + of % (layers - 1)
    width = np.array([8, 16, 32])[rng.integers(0, 3, configurations * datasets)][of]
    dims = {"member": members, "state": 2, "layer": layers, "step": layers - 1, "class": classes}

    def noise(*names: str) -> tuple[tuple[str, ...], np.ndarray]:
        values = rng.normal(size=[dims[name] for name in names])
        for i, d in enumerate(depth):
            if "layer" in names:
                values[i, ..., d:, :] = np.nan if "class" in names else values[i, ..., d:, :]
            if names[-1] == "layer":
                values[i, ..., d:] = np.nan
            if "step" in names:
                values[i, :, d - 1 :] = np.nan
        return names, values

    by_step = ("member", "state", "step", "class")
    variables = {
        "neuron_entropy": noise("member", "state", "layer", "class"),
        "neuron_information": noise("member", "state", "layer"),
        "pattern_information": noise("member", "state", "layer"),
        "neuron_fall": noise(*by_step),
        "neuron_fall_active": noise(*by_step),
    }
    for name in ("neuron_fall_se", "neuron_fall_active_se"):
        variables[name] = (by_step, 0.5 + 0 * variables["neuron_fall"][1])
    variables["neuron_fall_bias"] = (by_step, 0.1 + 0 * variables["neuron_fall"][1])
    accuracy = 0.5 + 0.4 * own + 0.02 * rng.random(members)
    of_member = {
        "test_accuracy": accuracy,
        "train_accuracy": accuracy + 0.1 * rng.random(members),
        "train_loss": rng.random(members),
        "parameters": width * depth * 7,
        "exact": np.zeros(members, bool),
    }
    variables |= {name: (("member",), values) for name, values in of_member.items()}
    coords = {
        "key": [f"k{i}" for i in range(members)],
        "configuration": [f"c{c}" for c in of],
        "dataset": [f"set{c // configurations:02d}" for c in of],
        "depth": depth,
        "width": width,
        "activation": np.array(["relu", "tanh"])[of % 2],
        "seed": np.arange(members) % seeds,
        "init_scale": 1 + of / 100,  # so that all twins are their own
    }
    along = {name: ("member", np.asarray(values)) for name, values in coords.items()}
    numbered = {"layer": np.arange(1, layers + 1), "step": np.arange(1, layers), "class": np.arange(classes)}
    return xr.Dataset(variables, along | numbered | {"state": STATES}, {"failed": 0})


def with_entropy(made: xr.Dataset, values: np.ndarray) -> xr.Dataset:
    """The sweep with this neuron entropy in all layers and classes that there are, of the trained networks."""
    entropy = made.neuron_entropy.copy()
    entropy.loc[{"state": "trained"}] = entropy.sel(state="trained") * 0 + xr.DataArray(values, dims="member")
    return made.assign(neuron_entropy=entropy)


def row_of(found: Survey, quantity: str = "neuron_entropy_last", **other: str) -> pd.Series:
    which = {"target": "test_accuracy", "dataset": "set00", "among": "configurations", "given": "nothing"} | other
    table = found.correlations.loc[found.correlations.quantity == quantity]
    for name, value in which.items():
        table = table.loc[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


@pytest.fixture(scope="module")
def gathered() -> xr.Dataset:
    return sweep()


@pytest.fixture(scope="module")
def found(gathered) -> Survey:
    return survey(gathered, resamples=200)


def test_shares_by_hand(gathered, found):
    for state in STATES:
        for neurons, name in (("all", "neuron_fall"), ("active", "neuron_fall_active")):
            words: dict[int, list[str]] = {}
            for i in range(gathered.sizes["member"]):
                own = gathered.isel(member=i).sel(state=state)
                for step in range(int(own.depth) - 1):
                    for c in range(2):
                        fall = float(own[name][step, c])
                        least = 1.959964 * 0.5 + (0.1 if neurons == "all" else 0)
                        word = "falls" if fall > least else "rises" if fall < -least else "unclear"
                        words.setdefault(i, []).append(word)
            for factor, table in found.shares.items():
                values = gathered[factor].values if factor != "total" else np.full(len(words), "all")
                for value in np.unique(values):
                    here = [words[int(i)] for i in np.flatnonzero(values == value)]
                    row = table.loc[
                        (table[factor] == value) & (table.state == state) & (table.neurons == neurons)
                    ].iloc[0]
                    cells = [word for one in here for word in one]
                    assert (row.networks, row.cells) == (len(here), len(cells))
                    for word in ("falls", "unclear", "rises"):
                        assert row[word] == pytest.approx(cells.count(word) / len(cells))
                    assert row.every_step_falls == pytest.approx(np.mean([set(one) == {"falls"} for one in here]))
                    assert row.never_rises == pytest.approx(np.mean(["rises" not in one for one in here]))
                    assert row.some_rise == pytest.approx(1 - row.never_rises)
                    assert row.some_rise_corrected <= row.some_rise


def test_intervals_of_shares_by_hand(gathered, found):
    falls = gathered.neuron_fall.sel(state="trained").values > 1.959964 * 0.5 + 0.1
    exists = np.isfinite(gathered.neuron_fall.sel(state="trained").values)
    weights = cluster_weights(np.full(CONFIGURATIONS, "set00"), 200, 0)
    drawn = [
        falls[members].sum() / exists[members].sum()
        for w in weights[1:].astype(int)
        for members in [[2 * c + s for c in np.repeat(np.arange(CONFIGURATIONS), w) for s in (0, 1)]]
    ]
    row = found.shares["total"].query("state == 'trained' and neurons == 'all'").iloc[0]
    np.testing.assert_allclose([row.falls_low, row.falls_high], np.quantile(drawn, [0.025, 0.975]))


def test_training_is_the_difference_of_the_shares(found):
    for row in found.training.itertuples():
        table = found.shares[row.factor]
        own = table[(table[row.factor] == row.value) & (table.neurons == row.neurons)].set_index("state")[row.share]
        assert row.difference == pytest.approx(own["trained"] - own["untrained"])
        assert row.low <= row.high or np.isnan(row.low)
    assert set(found.training.factor) == found.shares.keys()


def test_twins_that_begin_alike_are_drawn_together_and_counted_once():
    """Twelve rates of learning leave six twins of two seeds as they are; twelve draws of one thing are no evidence."""
    made = sweep(3, configurations=12)
    of = np.arange(24) // 2
    rates = made.assign_coords(init_scale=("member", np.ones(24)), width=("member", 8 * (1 + of % 6)))
    rates = rates.assign_coords(depth=("member", np.full(24, 3)), activation=("member", np.full(24, "relu")))
    fall = made.neuron_fall.copy()
    fall[:] = (
        np.random.default_rng(0).normal(size=fall.shape)
        + np.where(np.arange(24) // 2 % 6 < 3, 2, -2)[:, None, None, None]
    )
    fall[12:, 0] = fall[:12, 0].values  # the twins of the second six configurations are those of the first
    found = survey(rates.assign(neuron_fall=fall), resamples=300)
    row = found.shares["total"].query("state == 'untrained' and neurons == 'all'").iloc[0]
    assert (row.networks, row.configurations) == (12, 6)
    once = survey(rates.assign(neuron_fall=fall).isel(member=slice(0, 12)), resamples=300)
    alone = once.shares["total"].query("state == 'untrained' and neurons == 'all'").iloc[0]
    pd.testing.assert_series_equal(row, alone)
    of_training = found.training.query("factor == 'total' and neurons == 'all' and share == 'falls'").iloc[0]
    assert of_training.low <= of_training.difference <= of_training.high
    two = rates.assign_coords(width=("member", 8 * (1 + of % 2)))
    text = survey(two.assign(neuron_fall=fall), resamples=50).text
    assert "of too few kinds of networks that begin differently to tell" in text


def test_training_that_does_opposite_things_is_told(gathered):
    """Training turns rises into falls in tanh networks, and falls into rises in others."""
    falls = xr.where((gathered.activation == "tanh") == (gathered.state == "trained"), 5.0, -5.0)
    found = survey(gathered.assign(neuron_fall=0 * gathered.neuron_fall + falls), resamples=100)
    assert (
        "But by activation, it makes them clearly more frequent for tanh (+100 percentage points [+100, +100]), and "
        "clearly less for relu (-100 percentage points [-100, -100])." in found.text
    )
    same = survey(gathered.assign(neuron_fall=0 * gathered.neuron_fall + 5.0), resamples=100)
    assert "But by" not in same.text


def test_exact_members_need_no_error(gathered):
    fall = gathered.neuron_fall.fillna(0) * 0 + gathered.neuron_fall * 0 + 2e-9
    made = gathered.assign(neuron_fall=fall, exact=gathered.exact | True)
    found = survey(made, resamples=20)
    assert (found.shares["total"].query("neurons == 'all'").every_step_falls == 1).all()
    assert "Yes, in every network" in found.text
    risen = survey(made.assign(neuron_fall=-fall), resamples=20)
    assert (risen.shares["total"].query("neurons == 'all'").some_rise_corrected == 1).all()
    assert "No, not as a law" in risen.text
    level = survey(made.assign(neuron_fall=fall / 4), resamples=20)
    assert (level.shares["total"].query("neurons == 'all'").unclear == 1).all()
    assert "Not strictly" in level.text


def test_one_exact_rise_contradicts(gathered):
    """Where all inputs are listed, chance has no part in a rise; elsewhere one network in many is chance."""
    fall = gathered.neuron_fall * 0 + 0.01
    fall[5, 1, 0, 0] = -5e-9
    assert "Not contradicted" in survey(gathered.assign(neuron_fall=fall), resamples=20).text
    listed = gathered.exact.copy()
    listed[5] = True
    text = survey(gathered.assign(neuron_fall=fall, exact=listed), resamples=20).text
    assert "No, not as a law" in text
    assert "1 of them without sampling error" in text


@pytest.mark.parametrize("quantity", ["neuron_entropy_last", "neuron_entropy_fall_minus_untrained", "train_loss"])
@pytest.mark.parametrize("target", ["test_accuracy", "generalisation_gap"])
def test_correlations_are_scipys(gathered, found, quantity, target):
    table = member_quantities(gathered).assign(configuration=gathered.configuration.values)
    means = pd.DataFrame(table.groupby("configuration").mean())
    row = row_of(found, quantity, target=target)
    assert row.correlation == pytest.approx(spearmanr(means[quantity], means[target])[0])
    assert (row.configurations, row.networks) == (CONFIGURATIONS, 2 * CONFIGURATIONS)
    for given, facts in (("size", ["width", "depth", "parameters"]), ("training accuracy", ["train_accuracy"])):
        ranks = {name: rankdata(means[name]) for name in (quantity, target, *facts)}
        fit = np.column_stack([np.ones(len(means)), *(ranks[name] for name in facts)])
        x, y = (ranks[n] - fit @ np.linalg.lstsq(fit, ranks[n], rcond=None)[0] for n in (quantity, target))
        assert row_of(found, quantity, target=target, given=given).correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    ranked = [np.concatenate([rankdata(g) for _, g in table.groupby("configuration")[n]]) for n in (quantity, target)]
    # of two seeds each, the mean rank is the same in every configuration
    expected = np.corrcoef(ranked)[0, 1]
    assert row_of(found, quantity, target=target, among="seeds").correlation == pytest.approx(expected)


def test_the_quantities_by_hand(gathered):
    table = member_quantities(gathered)
    for i in (0, 3, 7):
        depth = int(gathered.depth[i])
        entropy = gathered.neuron_entropy[i].values.mean(-1)  # [state, layer]
        assert table.neuron_entropy_last[i] == pytest.approx(entropy[1, depth - 1])
        assert table.neuron_entropy_mean[i] == pytest.approx(entropy[1, :depth].mean())
        fall = entropy[:, 0] - entropy[:, depth - 1]
        assert table.neuron_entropy_fall_minus_untrained[i] == pytest.approx(fall[1] - fall[0])
        assert table.pattern_information_last[i] == float(gathered.pattern_information[i, 1, depth - 1])


def test_ranks_of_resamples_are_those_of_repeated_values(rng):
    values = np.round(rng.normal(size=(15, 3)), 1)
    weights = cluster_weights(np.zeros(15), 30, 1)
    got = correlations(rank_covariances(values, weights), [0, 1], 2, [], (weights > 0).sum(1) - 1)
    for r, w in enumerate(weights.astype(int)):
        drawn = np.repeat(values, w, axis=0)
        np.testing.assert_allclose(got[r], np.asarray(spearmanr(drawn)[0])[:2, 2], atol=1e-12)


def test_pooled_is_the_mean_of_z():
    found = survey(sweep(3, datasets=3), resamples=50)
    each = [row_of(found, dataset=f"set{i:02d}").correlation for i in range(3)]
    assert row_of(found, dataset="pooled").correlation == pytest.approx(np.tanh(np.arctanh(each).mean()))
    assert row_of(found, dataset="pooled").configurations == 3 * CONFIGURATIONS


@pytest.mark.thorough
def test_intervals_of_noise_cover_zero():
    found = survey(sweep(5, configurations=20, datasets=30), resamples=300)
    rows = found.correlations.query("dataset != 'pooled' and kind == 'quantity' and target == 'test_accuracy'")
    for _, part in rows.groupby(["among", "given"]):
        covered = ((part.low <= 0) & (part.high >= 0)).mean()
        assert 0.85 < covered < 0.99, (part.iloc[0], covered)
    assert "Not shown" in found.text


def test_planted_entropy_that_is_accuracy(gathered):
    found = survey(with_entropy(gathered, gathered.test_accuracy.values), resamples=100)
    for among in ("configurations", "seeds"):
        row = row_of(found, among=among)
        assert row.correlation == pytest.approx(1)
        assert row.low == pytest.approx(1)
    assert "the higher the last layer's entropy, the better" in found.text
    turned = survey(with_entropy(gathered, -gathered.test_accuracy.values), resamples=100)
    assert row_of(turned).correlation == pytest.approx(-1)
    assert "the lower the last layer's entropy, the better" in turned.text


def test_entropy_that_is_training_accuracy_tells_nothing_beyond_it():
    made = sweep(1, configurations=40)
    found = survey(with_entropy(made, made.train_accuracy.values), resamples=100)
    assert row_of(found).low > 0.5
    assert np.isnan(row_of(found, given="training accuracy").correlation)
    assert "Only as other numbers do" in found.text


def test_copies_of_seeds_are_no_further_evidence():
    """The planted bug: seeds that are copies, taken for configurations of their own, make intervals too narrow."""
    one = sweep(2, configurations=20, seeds=1)
    copies = xr.concat([one] * 6, "member")
    copies = copies.assign_coords(key=("member", [f"k{i}" for i in range(120)]))
    right = row_of(survey(copies, resamples=400))
    alone = row_of(survey(one, resamples=400))
    wrong = row_of(survey(copies.assign_coords(configuration=copies.key), resamples=400))
    assert right.correlation == pytest.approx(alone.correlation)
    assert right.high - right.low == pytest.approx(alone.high - alone.low)
    assert wrong.high - wrong.low < 0.6 * (right.high - right.low)


def test_padding_does_not_leak(gathered, found):
    padded = gathered.pad({"layer": (0, 2), "step": (0, 2), "class": (0, 3)}, constant_values=np.nan)
    padded = padded.assign_coords(layer=np.arange(1, 6), step=np.arange(1, 5), **{"class": np.arange(5)})
    again = survey(padded, resamples=200)
    pd.testing.assert_frame_equal(again.correlations, found.correlations)
    for factor, table in found.shares.items():
        pd.testing.assert_frame_equal(again.shares[factor], table)
    assert again.text == found.text


def test_unmeasured_pattern_information(gathered):
    missing = gathered.pattern_information.copy()
    missing[:4] = np.nan  # of two configurations
    some = survey(gathered.assign(pattern_information=missing), resamples=50)
    assert row_of(some, "pattern_information_last").configurations == CONFIGURATIONS - 2
    assert row_of(some).configurations == CONFIGURATIONS
    none = survey(gathered.assign(pattern_information=missing * np.nan), resamples=50)
    assert np.isnan(row_of(none, "pattern_information_last").correlation)
    assert np.isnan(row_of(none, "pattern_information_last", dataset="pooled").low)


def test_few_configurations_have_no_interval():
    found = survey(sweep(configurations=4, datasets=2), resamples=50)
    assert found.correlations[["low", "high"]].isna().to_numpy().all()
    assert np.isfinite(row_of(found).correlation)
    assert "fewer than 5 has none" in found.text
    assert "too few configurations for an interval" in found.text
    assert found.shares["total"].falls_low.notna().all()  # of 8 configurations
    made = sweep(configurations=2)
    two = survey(made.assign(neuron_fall=made.neuron_fall - 5), resamples=9)
    assert two.shares["total"].falls_low.isna().all()
    assert "Undecided, of configurations too few" in two.text


def test_shallow_networks_have_no_steps(gathered):
    found = survey(gathered.assign_coords(depth=gathered.depth * 0 + 1), resamples=20)
    assert (found.shares["total"].cells == 0).all()
    assert found.shares["total"].falls.isna().all()
    assert "no network has a step" in found.text
    assert np.isnan(row_of(found, "neuron_entropy_fall").correlation)


def test_missing_standard_errors_are_unclear(gathered):
    found = survey(gathered.assign(neuron_fall_se=gathered.neuron_fall_se * np.nan), resamples=20)
    assert (found.shares["total"].query("neurons == 'all'").unclear == 1).all()


def test_text_and_markdown(found):
    assert str(found) == found.text
    assert "24 networks of 12 configurations on 1 data set (set00)" in found.text
    assert "What would change the answer" in found.text
    assert "nan" not in found.text
    markdown = found.to_markdown()
    assert markdown.startswith(found.text)
    assert "nan" not in markdown
    for name in SHARES:
        assert name.replace("_", " ") in markdown
    assert " failed" not in found.text
    assert found.shares.keys() == {"total", "activation", "width", "depth", "dataset"}


def test_the_same_seed_gives_the_same(gathered, found):
    pd.testing.assert_frame_equal(survey(gathered, resamples=200).correlations, found.correlations)
    other = survey(gathered, resamples=200, seed=1).correlations
    assert not other.low.equals(found.correlations.low)
    assert other.correlation.equals(found.correlations.correlation)


def test_failed_members_are_told(gathered):
    assert "; 3 failed and are not among them" in survey(gathered.assign_attrs(failed=3), resamples=9).text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.drop_vars(["neuron_fall_se", "train_loss"]), "no neuron_fall_se, train_loss"),
        (lambda g: g.drop_vars("configuration"), "no configuration"),
        (lambda g: g.isel(member=slice(0)), "no networks"),
        (lambda g: g.sel(state=["trained"]), "states trained and untrained; got trained"),
        (lambda g: xr.concat([g, g], "member"), "is there 2 times"),
        (lambda g: g.assign_coords(depth=g.depth + 5), "has depth 8"),
        (lambda g: g.assign_coords(dataset=("member", np.full(24, "pooled"))), "called 'pooled'"),
    ],
)
def test_bad_sweeps(gathered, change, message):
    with pytest.raises(je.InputError, match=message):
        survey(change(gathered))


@pytest.mark.parametrize("settings", [{"confidence": 1}, {"confidence": 0.0}, {"resamples": 0}])
def test_bad_settings(gathered, settings):
    with pytest.raises(je.InputError, match=next(iter(settings))):
        survey(gathered, **settings)
