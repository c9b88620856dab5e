import itertools

import numpy as np
import pytest
import xarray as xr
from scipy.stats import rankdata, spearmanr

from jaxentropy.base.errors import InputError
from jaxentropy.claims.removable import CRITERIA, partial_correlation, rank_correlations, removable
from tests.claims.sweeps import gathered, network


def curves(depth: int, rng: np.random.Generator, width: int, seed: int) -> dict:
    """A network whose every curve is drawn at random."""
    return network(
        depth, width=width, seed=seed, entropy=tuple(rng.random((2, depth))), information=tuple(rng.random((2, depth))),
        linearised=rng.random(depth), never_on=rng.random(depth), accuracy=0.9,
    )  # fmt: skip


def judged(networks: list[dict], **settings):
    return removable(gathered(networks), resamples=200, **settings)


def test_each_network_is_scipys_spearman(rng):
    networks = [curves(depth, rng, width, 0) for depth in (3, 4, 6) for width in range(3)]
    found = judged([*networks, curves(2, rng, 9, 0)])
    assert found.each.sizes["member"] == len(networks)
    names = {"entropy": 1, "untrained entropy": 0}
    for k, one in enumerate(networks):
        damage = 100 * (0.9 - one["linearised"])
        np.testing.assert_allclose(found.each.damage[k, : one["depth"]], damage)
        expected = {name: one["entropy"][at] for name, at in names.items()}
        expected |= {"order": -np.arange(one["depth"]), "information": one["information"][1]}
        expected["excess"] = one["entropy"][1] - one["entropy"][0]
        for name, values in expected.items():
            correlation = float(found.each.correlation.sel(criterion=name)[k])
            assert correlation == pytest.approx(spearmanr(damage, values)[0]), name
    mean = found.each.correlation.mean("member")
    np.testing.assert_allclose(found.correlation.value, mean)
    np.testing.assert_allclose(found.correlation.behind, mean.sel(criterion="entropy") - mean, atol=1e-12)


def test_picks_are_what_they_say(rng):
    networks = [curves(depth, rng, depth, 0) for depth in (3, 5)]
    found = judged(networks)
    for k, one in enumerate(networks):
        damage = 100 * (0.9 - one["linearised"])
        picked = {
            "lowest entropy": damage[np.argmin(one["entropy"][1])],
            "lowest untrained entropy": damage[np.argmin(one["entropy"][0])],
            "most silent neurons": damage[np.argmax(one["never_on"])],
            "random": damage.mean(),
            "last": damage[-1],
            "first": damage[0],
            "best possible": damage.min(),
        }
        for name, value in picked.items():
            assert float(found.each.picked.sel(pick=name)[k]) == pytest.approx(value), name
    tied = judged([networks[0] | {"never_on": np.array([0.5, 0.5, 0.0])}])
    expected = 100 * (0.9 - networks[0]["linearised"][:2].mean())
    assert float(tied.picked.value.sel(pick="most silent neurons")) == pytest.approx(expected)


def test_rank_correlations_have_ties_and_constants():
    rows = np.array([[1.0, 2.0, 2.0, 3.0], [4.0, 1.0, 3.0, 3.0], [5.0, 5.0, 5.0, 5.0]])
    found = rank_correlations(rows)
    assert found[0, 1] == pytest.approx(spearmanr(rows[0], rows[1])[0])
    assert np.isnan(found[2]).all()


def test_the_partial_correlation_is_that_of_residuals(rng):
    """Of ranks that a least-squares fit of the held ones has not explained."""
    rows = rng.normal(size=(4, 30))
    rows[1] += rows[2]
    rows[0] += rows[2] + 0.5 * rows[1]
    ranks = np.array([rankdata(row) for row in rows])
    ranks -= ranks.mean(1, keepdims=True)
    held = ranks[2:].T
    residuals = [row - held @ np.linalg.lstsq(held, row, rcond=None)[0] for row in ranks[:2]]
    assert partial_correlation(rank_correlations(rows)) == pytest.approx(np.corrcoef(residuals)[0, 1])
    twice = rows[[0, 1, 2, 2]]  # the held ones are the same: as if there were one
    r = rank_correlations(rows)
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_correlation(rank_correlations(twice)) == pytest.approx(expected)
    assert np.isnan(partial_correlation(rank_correlations(rows[[0, 2, 2, 3]])))


def ordered(number: int, rng: np.random.Generator, damage, entropy, untrained, depth: int = 6, seeds: int = 2):
    """Networks of curves that are functions of a random one and of the order."""
    networks = []
    for width, seed in itertools.product(range(number), range(seeds)):
        noise, order = rng.random(depth), np.linspace(1, 0, depth)
        networks.append(
            network(
                depth, width=width, seed=seed, accuracy=0.9, linearised=0.9 - 0.1 * damage(noise, order),
                entropy=(untrained(noise, order), entropy(noise, order)),
            )
        )  # fmt: skip
    return networks


def noisy(noise, order):
    return noise


def by_order(noise, order):
    return order


def test_entropy_that_knows_the_damage_is_said_to(rng):
    found = judged(ordered(12, rng, noisy, noisy, by_order))
    assert float(found.correlation.value.sel(criterion="entropy")) == pytest.approx(1)
    assert found.partial.mean == pytest.approx(1)
    assert "**Does low activation entropy find removable layers?** Yes:" in found.text
    assert "Clearly dearer:" in found.text
    assert "clearly worse" in found.text


def test_entropy_that_echoes_the_order_is_said_to(rng):
    """Damage falls with depth, and so does entropy, trained and not: nothing is its own."""

    def disturbed(noise, order):
        return order + 0.3 * rng.random(len(order))

    found = judged(ordered(30, rng, disturbed, disturbed, by_order))
    assert float(found.correlation.low.sel(criterion="entropy")) > 0.5
    assert found.partial.low < 0 < found.partial.high
    assert "**echoes** the untrained" in found.text
    assert "Nobody" not in found.text


def test_entropy_that_misleads_is_said_to(rng):
    found = judged(ordered(12, rng, noisy, lambda noise, order: -noise, by_order))
    assert "No, on the contrary" in found.text
    assert "Clearly cheaper than lowest entropy: " in found.text
    assert float(found.picked.behind.sel(pick="best possible")) < 0


def test_entropy_of_chance_is_not_clear(rng):
    draw = np.random.default_rng(5)
    found = judged(ordered(12, rng, noisy, lambda noise, order: draw.random(len(order)), by_order))
    assert "Not clearly:" in found.text
    assert abs(float(found.correlation.value.sel(criterion="random"))) < 0.4


def test_entropy_that_adds_to_the_order_without_beating_it_is_said_to(rng):
    draw = np.random.default_rng(6)

    def damage(noise, order):
        return 1.5 * order + noise

    def entropy(share):
        return lambda noise, order: noise + share * order + 0.5 * draw.random(len(order))

    found = judged(ordered(40, rng, damage, entropy(0.5), by_order))
    assert found.partial.low > 0
    assert float(found.correlation.behind_high.sel(criterion="order")) < 0
    assert "In part:" in found.text
    found = judged(ordered(40, rng, damage, entropy(-0.4), by_order))
    assert found.partial.low > 0
    assert "Not clearly:" in found.text
    assert "held, it tells something: " in found.text
    found = judged(ordered(40, rng, lambda n, o: 1.5 * o - n, entropy(0.4), by_order))
    assert found.partial.high < 0
    assert "held, layers of low entropy do *more* damage" in found.text


def test_one_configuration_has_no_interval(rng):
    found = judged([curves(4, rng, 8, seed) for seed in range(3)])
    assert np.isnan(found.correlation.low).all()
    assert "Nobody can tell" in found.text
    assert "nothing is known of others" in found.text


def test_networks_of_three_layers_have_no_partial(rng):
    found = judged([curves(3, rng, width, 0) for width in range(4)])
    assert np.isnan(found.partial.mean)
    assert "Partial: not known" in found.text
    assert "4 configurations are few" in found.text


def test_the_clusters_are_configurations(rng):
    """Seeds that are copies of each other tell no more than one."""
    once = [curves(5, rng, width, 0) for width in range(8)]
    often = [one | {"seed": seed} for one in once for seed in range(4)]
    one, other = judged(once), judged(often)
    deterministic = [name for name in CRITERIA if name != "random"]
    xr.testing.assert_allclose(
        one.correlation.sel(criterion=deterministic), other.correlation.sel(criterion=deterministic)
    )
    xr.testing.assert_allclose(one.picked, other.picked)
    assert np.isnan(one.partial.mean)  # a single seed, and copies, differ by nothing
    assert np.isnan(other.partial.mean)


def test_tables_and_words_of_it(rng):
    found = judged([curves(4, rng, width, 0) for width in range(3)])
    assert str(found) == found.to_markdown()
    assert "| most silent neurons" in str(found)
    assert repr(found).startswith("Removable(rank correlation with the damage: entropy ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.drop_vars("linearised_accuracy"), "lacks linearised_accuracy"),
        (lambda g: g.drop_vars(["never_on", "configuration"]), "lacks configuration, never_on"),
        (lambda g: g.isel(member=0), "lacks the dimension member"),
        (lambda g: g.sel(member=g.depth < 3), "three FC layers or more"),
        (lambda g: g.assign(linearised_accuracy=g.linearised_accuracy * np.nan), "with linearised_accuracy; got none"),
        (
            lambda g: g.assign(linearised_accuracy=g.linearised_accuracy.where(g.layer != 2)),
            "linearised_accuracy was not measured at layer 2",
        ),
    ],
)
def test_errors_name_what_is_missing(change, message, rng):
    with pytest.raises(InputError, match=message):
        removable(change(gathered([curves(depth, rng, depth, 0) for depth in (2, 3, 4)])))


def test_retraining_is_held_against_its_control(rng):
    """At once, entropy knows the damage; after retraining, against a network that was trained on for as long, it is
    reversed."""
    networks = ordered(12, rng, noisy, noisy, by_order)
    sweep = gathered(networks)
    left = 0.93 - 0.1 * (1 - (0.9 - sweep.linearised_accuracy) / 0.1)
    both = sweep.assign(retrained_accuracy=left, retrained_control=("member", np.full(len(networks), 0.93)))
    found = removable(both, resamples=200)
    assert found.retrained is not None
    np.testing.assert_allclose(found.retrained.each.damage, 100 * (0.93 - left))
    assert float(found.correlation.value.sel(criterion="entropy")) == pytest.approx(1)
    assert float(found.retrained.correlation.value.sel(criterion="entropy")) == pytest.approx(-1)
    assert "**After retraining,** as long as a control" in found.text
    assert "Lowest entropy is clearly dearer than random." in found.text
    assert "| after retraining" in found.to_markdown()
    alone = removable(sweep, resamples=200)
    assert alone.retrained is None
    assert "`retrain_epochs` tells" in alone.text
    xr.testing.assert_identical(alone.correlation, found.correlation)


@pytest.mark.thorough
def test_two_kinds_of_networks_make_no_partial_correlation(rng):
    """In one kind damage and entropy fall with depth, in the other both rise, and at equal place they are apart."""
    networks = []
    for width, way in ((1, 1), (2, -1)):
        for seed in range(150):
            order = np.linspace(1, 0, 6)
            damage, entropy = way * order + 0.4 * rng.random(6), way * order + 0.4 * rng.random(6)
            both = {"linearised": 0.9 - 0.1 * damage, "entropy": (order, entropy)}
            networks.append(network(6, width=width, seed=seed, accuracy=0.9, **both))
    sweep = gathered(networks)
    assert abs(removable(sweep, resamples=20).partial.mean) < 0.1
    as_one = sweep.assign_coords(configuration=("member", ["one"] * 300))  # the planted bug: both kinds in one
    assert removable(as_one, resamples=20).partial.mean > 0.5


@pytest.mark.thorough
def test_a_random_control_that_is_off_zero_is_told_of(rng):
    """Six configurations of a seed: chance often leaves the control off zero, and then the text says so."""
    texts = []
    for seed in range(12):
        found = removable(gathered([curves(4, rng, width, 0) for width in range(6)]), resamples=200, seed=seed)
        off = bool((found.correlation.low * found.correlation.high > 0).sel(criterion="random"))
        assert ("The random control itself is off zero" in found.text) == off
        texts.append(off)
    assert any(texts)


@pytest.mark.thorough
def test_no_profile_over_places_makes_a_partial_correlation(rng):
    """Steps and bends that damage and entropy share over places, and no more: at equal place they are apart."""
    for shape in (np.array([1.0, 1, 1, 0, 0, 0]), np.abs(np.linspace(-1, 1, 6))):
        networks = []
        for width, seed in itertools.product(range(12), range(4)):
            damage, entropy = shape + 0.3 * rng.random(6), shape + 0.3 * rng.random(6)
            both = {"linearised": 0.9 - 0.1 * damage, "entropy": (np.linspace(1, 0, 6), entropy)}
            networks.append(network(6, width=width, seed=seed, accuracy=0.9, **both))
        found = judged(networks)
        assert float(found.correlation.low.sel(criterion="entropy")) > 0.3
        assert abs(found.partial.mean) < 0.3  # 0.08 is one standard deviation
