from collections import defaultdict

import numpy as np
import pytest
import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.claims import depth_validation, depth_words
from jaxentropy.claims.depth_rules import RULES
from jaxentropy.claims.depth_validation import DepthValidation, validate_depth
from jaxentropy.claims.resampling import Estimate, cluster_draws, clustered
from tests.claims.sweeps import DEEPEST, gathered, network, planted_sweep, saturating


@pytest.fixture(autouse=True)
def _information_is_ours(monkeypatch):
    """The planted sweeps are ones that the rule *information* knows, or misses."""
    for module in (depth_validation, depth_words):
        monkeypatch.setattr(module, "OURS", "information")


def validated(sweep: xr.Dataset, **settings) -> DepthValidation:
    return validate_depth(sweep, resamples=300, **settings)


def irregular(rng: np.random.Generator) -> xr.Dataset:
    """Families of random accuracies, with depths missing, of one to three seeds a depth."""
    networks = []
    for dataset in "ab":
        for width in (32, 64):
            depths = sorted(rng.choice(np.arange(1, DEEPEST + 1), size=4, replace=False).tolist())
            networks += [
                network(
                    depth, dataset=dataset, width=width, seed=seed, accuracy=rng.random(),
                    information=tuple(rng.random((2, depth))), probe=rng.random(depth),
                    parameters=int(rng.integers(100, 999)), seconds=rng.random(),
                )
                for depth in depths for seed in range(rng.integers(1, 4))
            ]  # fmt: skip
    return gathered(networks)


def brute_force(sweep: xr.Dataset, name: str) -> dict[tuple, dict[str, list[float]]]:
    """Regret and savings of every deepest network, by family, from loops over networks."""
    found: dict[tuple, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    members = [sweep.isel(member=k) for k in range(sweep.sizes["member"])]
    for deep in members:
        of = [m for m in members if m.dataset.item() == deep.dataset.item() and m.width.item() == deep.width.item()]
        depths = sorted({int(m.depth) for m in of})
        if int(deep.depth) < depths[-1]:
            continue

        def mean(what, depth, of=of):
            return float(np.mean([float(m[what]) for m in of if int(m.depth) == depth]))

        said = RULES[name](deep)
        built = min(d for d in depths if d >= said)
        best = max(mean("test_accuracy", d) for d in depths)
        one = found[deep.dataset.item(), deep.width.item()]
        one["regret"].append(100 * (best - mean("test_accuracy", built)))
        one["within"].append(100.0 * (one["regret"][-1] <= 0.5))
        one["layers_saved"].append(depths[-1] - built)
        one["parameters_saved"].append(100 * (1 - mean("parameters", built) / mean("parameters", depths[-1])))
        one["seconds_ratio"].append(mean("forward_seconds", built) / mean("forward_seconds", depths[-1]))
        one["probe_loss"].append(100 * float(deep.test_accuracy - deep.probe_accuracy.sel(state="trained", layer=said)))
        one["advice"].append(said)
        one["rounded_up"].append(100.0 * (said not in depths))
    return found


@pytest.mark.parametrize("name", [name for name in RULES if name != "random"])
def test_costs_are_those_of_loops_over_networks(name, rng):
    sweep = irregular(rng)
    found, expected = validated(sweep), brute_force(sweep, name)
    assert found.families.sizes["family"] == len(expected) == 4
    for k, ((dataset, width), costs) in enumerate(expected.items()):
        one = found.families.isel(family=k).sel(rule=name)
        assert one.family.item() == f"{dataset}, width {width}"
        for cost, values in costs.items():
            assert float(one[cost]) == pytest.approx(np.mean(values)), cost
        spread = np.ptp(costs["advice"]) if len(costs["advice"]) > 1 else np.nan
        assert float(one.spread) == pytest.approx(spread, nan_ok=True)
    for of in ("all", "a", "b"):
        values = [np.mean(c["regret"]) for (d, _), c in expected.items() if of in ("all", d)]
        assert found.get("regret", name, of).mean == pytest.approx(np.mean(values))
        ours = [np.mean(c["regret"]) for (d, _), c in brute_force(sweep, "information").items() if of in ("all", d)]
        assert found.get("against", name, of).mean == pytest.approx(np.mean(values) - np.mean(ours))
    assert float(found.families.regret.min()) >= 0


def test_random_is_the_mean_over_depths(rng):
    sweep = planted_sweep(3, 3, seeds=1, widths=(32,), datasets=("a",))
    accuracy = sweep.test_accuracy.values
    found = validated(sweep, rules=["random"])
    assert found.get("regret", "random").mean == pytest.approx(100 * (accuracy.max() - accuracy).mean())
    assert found.get("layers_saved", "random").mean == pytest.approx(2.5)
    assert np.isnan(found.get("spread", "random").mean)


def test_a_planted_depth_that_information_knows_costs_nothing():
    found = validated(planted_sweep(3, 3))
    assert found.get("advice", "information") == Estimate(3, 3, 3)
    assert found.get("regret", "information").mean < 0.02
    assert found.get("layers_saved", "information") == Estimate(3, 3, 3)
    assert found.get("parameters_saved", "information").mean == pytest.approx(50)
    assert found.get("seconds_ratio", "information").mean == pytest.approx(0.5)
    assert found.get("within", "information").mean == 100
    assert found.get("spread", "information").mean == 0
    assert abs(found.get("regret_split", "information").mean) < 0.02
    assert found.get("regret", "two").mean == pytest.approx(4, abs=0.02)
    assert "is **reached on average**, on these data; the interval, over their families, speaks of" in found.text
    many = validated(planted_sweep(3, 3, seeds=1, datasets=tuple("abcde"), widths=(32, 64)))
    assert "is **reached**, with the whole interval" in many.text
    assert "Clearly worse: *" in found.text
    assert "*two* (+" in found.text.split("Clearly worse:")[1]
    assert "6 families are few" in found.text


def test_a_planted_depth_that_information_misses_is_said_to_be():
    found = validated(planted_sweep(4, 2))
    assert found.get("regret", "information").mean == pytest.approx(8, abs=0.05)
    assert found.get("within", "information").mean == 0
    assert "is **not reached**:" in found.text
    better = found.text.split("**Clearly better than ours** in regret:")[1].splitlines()[0]
    assert "*probe* (-8.0" in better
    assert "*deepest* (-8.0" in better
    assert "0.0 layers saved" in better
    assert "Just as good: *excess* (+0.00 points, 4.0 layers saved), *two*" in found.text
    assert "ours costs more than 0.5 points in 6 of 6 families" in found.text.replace("Ours", "ours")


def test_between_the_two_the_text_does_not_decide():
    """One family of six costs 2.9 points: 0.48 on average, and the interval reaches beyond the margin."""
    networks = [
        network(depth, width=width, seed=0, accuracy=0.9 - 0.029 * (width == 1) * (depth == 1))
        for width in range(6)
        for depth in (1, 2)
    ]
    found = validated(gathered(networks))
    assert found.get("regret", "information").mean == pytest.approx(2.9 / 6)
    assert "is **reached on average**, but not with the whole interval" in found.text
    assert "*two* (-0.48" in found.text.split("Better on average, not clearly:")[1]
    assert "with one seed, nothing is known" in found.text
    assert "in 1 of 6 families, most in toy, width 1 (2.90 points)" in found.text
    worse = gathered([one | {"accuracy": 0.9 - 2 * (0.9 - one["accuracy"])} for one in networks])
    assert "is **not reached**, though the interval does not exclude it" in validated(worse).text


def test_one_family_has_no_interval():
    found = validated(planted_sweep(2, 2, seeds=2, widths=(8,), datasets=("a",)))
    assert np.isnan(found.get("regret", "information").high)
    assert "there is no interval" in found.text
    assert "nothing is known of others" in found.text
    assert "fewer than four seeds" in found.text


@pytest.mark.thorough
def test_best_by_other_seeds_is_free_of_the_winners_curse(rng):
    """All depths alike: the best of six is best by luck, and regret is that luck; on the other half there is none."""
    networks = [
        network(depth, width=width, seed=seed, accuracy=0.5 + 0.01 * rng.normal())
        for width in range(60)
        for depth in range(1, 7)
        for seed in range(4)
    ]
    found = validated(gathered(networks), rules=["two"])
    expected = 1.267 * 1 / 2  # of six normal variables the greatest is 1.267 standard deviations above their mean
    assert found.get("regret", "two").mean == pytest.approx(expected, abs=0.12)
    split = found.get("regret_split", "two")
    assert abs(split.mean) < 0.2
    assert split.low < 0 < split.high


def test_halves_are_brute_force_over_all_halves():
    """Four seeds at two depths: the mean over all pairs of halves is known."""
    values = {1: [0.1, 0.5, 0.2, 0.6], 2: [0.3, 0.3, 0.4, 0.2]}
    networks = [network(d, seed=s, accuracy=a) for d, row in values.items() for s, a in enumerate(row)]
    found = validated(gathered(networks), rules={"first": lambda member: 1})
    halves = [([i, j], [k for k in range(4) if k not in (i, j)]) for i in range(4) for j in range(i + 1, 4)]
    expected = []
    for first, other in halves:
        for second, another in halves:
            chosen = [np.mean([values[1][k] for k in first]), np.mean([values[2][k] for k in second])]
            judged = [np.mean([values[1][k] for k in other]), np.mean([values[2][k] for k in another])]
            expected.append(100 * (judged[int(np.argmax(chosen))] - judged[0]))
    spread = float(np.std(expected)) / 10  # of the mean over a hundred halves
    assert found.get("regret_split", "first").mean == pytest.approx(np.mean(expected), abs=4 * spread)


def test_a_rule_without_what_it_reads_stays_silent_and_is_said_to():
    sweep = planted_sweep(2, 2, seeds=1).drop_vars("probe_accuracy")
    found = validated(sweep)
    assert "probe" not in found.table.rule.values
    assert "The rule *probe* said nothing of 6 networks: the gathered sweep lacks probe_accuracy" in found.text
    assert found.table.probe_loss.isnull().all()
    part = sweep.assign(centre_accuracy=sweep.centre_accuracy.where(sweep.dataset == "a"))
    assert validated(part).table.families.sel(rule="centre").values.tolist() == [3, 3, 0]
    apart = part.assign(neuron_information=part.neuron_information.where(part.dataset == "b"))
    assert "*centre* (" not in validated(apart).text


def test_without_ours_nothing_is_said_of_it():
    found = validated(planted_sweep(2, 2, seeds=1), rules="two")
    assert "is not among these" in found.text
    assert "against" not in found.table


def test_tables_have_every_rule_and_data_set():
    found = validated(planted_sweep(2, 2))
    overall, by_dataset = (block for block in found.to_markdown().split("\n\n") if block.startswith("|"))
    assert len(overall.splitlines()) == len(by_dataset.strip().splitlines()) == 2 + len(RULES)
    assert "information (ours)" in overall
    assert str(found) == found.to_markdown()
    assert repr(found) == "DepthValidation(12 rules, 6 families)"


def test_intervals_are_those_of_resampled_families(rng):
    """The percentile interval of a mean of 40 normal values is near the normal one."""
    values = rng.normal(size=40)
    found = clustered(values, np.arange(40), cluster_draws(40, 20_000, 0), 0.95)
    half = 1.96 * values.std() / 40**0.5
    assert found == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=0.02)


def test_members_of_a_cluster_stay_together():
    """Six clusters of equal members, three of 0 and three of 1: a resample's mean is binomial of six draws."""
    values, cluster = np.repeat([0.0, 0, 0, 1, 1, 1, np.nan], 2), np.repeat([0, 1, 2, 3, 4, 5, 5], 2)
    found = clustered(values, cluster, cluster_draws(6, 5000, 0), 0.95)
    assert found == pytest.approx((0.5, 1 / 6, 5 / 6))
    of_four = clustered(values[:8], cluster[:8], cluster_draws(6, 500, 0), 0.95)
    assert np.isnan(of_four.low)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda g: g.drop_vars("test_accuracy"), {}, "lacks test_accuracy"),
        (lambda g: g.drop_vars(["depth", "dataset"]), {}, "lacks dataset, depth"),
        (lambda g: g.isel(member=0), {}, "lacks the dimension member"),
        (lambda g: g.sel(member=g.depth == 3), {}, "no family.*two depths.*by dataset, width"),
        (lambda g: g.where(g.key != "a-32-1-0"), {}, "not finite for 1 networks, first a-32-1-0"),
        (lambda g: g, {"rules": ["best"]}, "no rule is called 'best'"),
        (lambda g: g, {"rules": {"mine": lambda member: 0}}, "advised 0 layers of a network of 6"),
        (lambda g: g.drop_vars("neuron_information"), {"rules": ["information"]}, "lacks neuron_information"),
    ],
)
def test_errors_name_what_is_missing(change, settings, message):
    with pytest.raises(InputError, match=message):
        validated(change(planted_sweep(2, 2, seeds=1)), **settings)


def test_padding_changes_nothing():
    sweep = planted_sweep(3, 2, seeds=2, widths=(8, 16))
    wide = sweep.reindex(layer=np.arange(1, 13))
    assert validated(sweep).table.identical(validated(wide).table)
    assert saturating(3, 2).tolist() == [0.2, 0.4, 0.4]


def test_families_whose_deepest_networks_did_not_learn_are_read_where_they_did():
    """Accuracy falls from depth 4 on, where nothing is learnt: the deepest networks would advise 6 layers."""
    networks = [
        network(
            depth, width=width, seed=seed, accuracy=0.95 if depth < 4 else 0.5,
            information=(np.full(depth, 0.05), saturating(depth, 2 if depth < 4 else 6)),
        )
        for width in range(6) for depth in range(1, 7) for seed in range(2)
    ]  # fmt: skip
    sweep = gathered(networks)
    sweep = sweep.assign(train_accuracy=xr.where(sweep.depth < 4, 0.99, 0.5))
    found = validated(sweep)
    assert found.get("regret", "information") == Estimate(0, 0, 0)
    assert found.get("regret_deepest", "information").mean == pytest.approx(45)
    assert found.get("advice", "deepest").mean == 3
    assert found.families.read.values.tolist() == [3] * 6
    assert (
        "(toy, width 0: 3 layers, not 6; toy, width 1: 3 layers, not 6; toy, width 2: 3 layers, not 6; and 3 more)"
        in (found.text)
    )
    assert "Read off the deepest networks whatever they learnt, it would cost 45.00" in found.text
    blind = validated(sweep, learnt=0)
    assert blind.get("regret", "information").mean == pytest.approx(45)
    assert "the deepest of each family;" in blind.text
    assert validated(sweep, rules=["random"]).get("advice", "random").mean == 2


def test_halves_of_the_inputs_that_differ_are_counted():
    sweep = planted_sweep(3, 3, seeds=2)
    dims = ("half", *sweep.neuron_information.dims)
    values = np.stack([sweep.neuron_information.values] * 2)
    values[1, :, 1] = np.where(np.isfinite(values[1, :, 1]), saturating(DEEPEST, 5), np.nan)
    found = validated(sweep.assign(neuron_information_half=(dims, values)))
    assert found.get("halves_differ", "information").mean == 2
    assert found.get("halves_differ", "two").mean == 0
    assert np.isnan(found.get("halves_differ", "random").mean)
    assert np.isnan(validated(sweep).get("halves_differ", "information").mean)
    assert "halves of inputs differ by" in found.to_markdown()
    assert "halves of inputs differ by" not in validated(sweep).to_markdown()


def test_data_that_chose_the_rule_are_named(monkeypatch):
    for module in (depth_validation, depth_words):
        monkeypatch.setattr(module, "OURS", "gain")
    sweep = planted_sweep(2, 2, seeds=1)
    assert "had no part in choosing the rule" in validated(sweep).text
    known = sweep.assign_coords(dataset=("member", np.where(sweep.dataset == "a", "mnist5k", "b")))
    assert "chosen after a look at mnist5k, so that on these it flatters itself" in validated(known).text


def test_advice_that_was_not_trained_is_told_of():
    sweep = planted_sweep(3, 3, seeds=2)
    found = validated(sweep.isel(member=np.flatnonzero(sweep.depth != 3)))
    assert found.get("rounded_up", "information").mean == 100
    assert "But 100 % of its advice is of a depth that was not trained" in found.text


def test_families_that_never_learnt_are_told_of():
    sweep = planted_sweep(2, 2, seeds=1)
    found = validated(sweep.assign(train_accuracy=("member", np.where(sweep.dataset == "a", 0.99, 0.3))))
    assert found.families.learnt.values.tolist() == [True] * 3 + [False] * 3
    assert "**In 3 of 6 families no depth learnt what it was trained on**" in found.text
    assert "no depth learnt" not in validated(sweep).text
