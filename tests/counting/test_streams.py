"""Streams: draws do not hang on how they are made, and what is said of them holds where the entropy is known."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.counting import batches, drawing


def letters(key, label, rates):
    """Independent neurons with the class's rates: the entropy is known."""
    return jax.random.uniform(key, rates.shape[1:]) - (1 - rates[label])


def network(_, inputs):
    return inputs, {"fc1": inputs, "fc2": inputs[:, jnp.arange(20) % 6]}  # twenty coins; six of them, some twice


RATES = np.stack([np.full(20, 0.5), np.full(20, 0.05)]).astype(np.float32)
STREAM = je.Stream(letters, RATES, ["fair", "rare"], "twenty coins")
ENTROPY = np.stack([width * -(RATES[:, 0] * np.log2(RATES[:, 0]) + (1 - RATES[:, 0]) * np.log2(1 - RATES[:, 0]))
                    for width in (20, 6)])  # fmt: skip


def tallied(stream=STREAM, until: int | je.Until = 3000, recorded: int = 500, **settings: Any):
    return je.tally(network, None, stream, until=until, recorded=recorded, **settings)


def recorded_of(counted: je.Tally) -> je.Recording:
    assert counted.recorded is not None
    return counted.recorded


def drawn(stream, label, numbers):
    """Draws, one at a time."""
    root = jax.random.key(stream.seed)
    keys = [jax.random.fold_in(jax.random.fold_in(root, label), i) for i in numbers]
    return np.stack([stream.draw(key, label, jnp.asarray(stream.data)) for key in keys])


def test_counts_are_those_of_the_draws_one_by_one():
    counted = tallied(until=70)
    assert (counted.n, counted.class_names, recorded_of(counted).n) == (140, ("fair", "rare"), 1000)
    for c in range(2):
        states = drawn(STREAM, c, range(70)) > 0
        np.testing.assert_array_equal(counted.on[0][c], states.sum(0))
        prints = np.asarray(je.Tally.of(je.Recording.from_activations({"fc1": states}, np.zeros(70, int))).prints[0])
        np.testing.assert_array_equal(counted.prints[0][counted.labels == c], prints)
        later = drawn(STREAM, c, range(70, 80)) > 0  # recorded draws are not among the counted ones
        np.testing.assert_array_equal(recorded_of(counted).states("fc1")[recorded_of(counted).labels == c][:10], later)


def same(a: je.Tally, b: je.Tally) -> bool:
    """Whether two tallies counted the same draws of each class in the same order."""
    by_class = [[own[np.argsort(t.labels, kind="stable")] for own in t.prints] for t in (a, b)]
    pairs = [*zip(a.on, b.on, strict=True), *zip(*by_class, strict=True)]
    return all(np.array_equal(own, other) for own, other in pairs)


@pytest.mark.thorough
def test_batches_pieces_and_devices_change_nothing(monkeypatch):
    whole = tallied()
    assert same(whole, tallied(mesh=jax.make_mesh((4,), ("d",), (jax.sharding.AxisType.Auto,))))
    monkeypatch.setattr(drawing, "_BATCH", 128)
    monkeypatch.setattr(drawing, "_PIECE", 1000)
    assert same(whole, tallied())


def test_another_seed_gives_other_draws():
    other = je.Stream(letters, RATES, ["fair", "rare"], "twenty coins", seed=1)
    a, b = tallied(), tallied(other)
    assert not np.array_equal(a.prints[0], b.prints[0])
    assert a.merge(b).n == a.n + b.n
    with pytest.raises(je.InputError, match="hold the same draws; give the second stream another seed"):
        a.merge(a)


def test_the_program_is_compiled_once(compilations):
    tallied()
    before = len(compilations)
    tallied(je.Stream(letters, RATES / 2, ["fair", "rare"], "other coins"))
    assert len(compilations) == before


@pytest.mark.thorough
def test_brackets_hold_where_the_entropy_is_known_and_narrow_with_more_draws():
    widths = []
    for draws in (2_000, 40_000):
        counted = tallied(until=draws, recorded=1_000)
        profile = je.profile(counted)
        assert (profile.pattern_lower <= ENTROPY).all()
        assert (profile.pattern_upper >= ENTROPY).all()
        widths.append(profile.pattern_upper - profile.pattern_lower)
    assert (widths[1] < widths[0] + 0.01).all()
    assert widths[1].sel(layer="fc2").max() < 0.6
    assert profile.attrs["population"] == "stream"
    assert profile.attrs["population_text"] == "twenty coins"
    verdict = je.verdict(profile)
    assert (verdict.table.pattern == "falls for certain").all()
    assert "from which inputs were drawn independently: twenty coins." in verdict.text


@pytest.mark.thorough
def test_until_brackets_part_or_are_narrow_or_time_is_up():
    parted = tallied(until=je.Until(40_000, part=True), recorded=1_000)
    assert parted.n < 80_000
    assert parted.meta["error_share"] < 0.5
    profile = je.profile(parted)
    assert (profile.pattern_lower.sel(layer="fc1") > profile.pattern_upper.sel(layer="fc2")).all()
    assert tallied(until=je.Until(2_000, width=0.01)).n == 4_000
    assert tallied(until=je.Until(40_000, part=("fc2", "fc1"), width=30.0), recorded=1_000).n < 80_000
    with pytest.raises(je.InputError, match="no layer 'fc9'; there are fc1, fc2"):
        tallied(until=je.Until(2_000, part=("fc1", "fc9")))


def test_looks_share_the_error():
    assert je.Until(5000).looks(100) == [(5000, 1.0)]
    looks = je.Until(5000, part=True).looks(1000)
    assert [n for n, _ in looks] == [1250, 2500, 5000]
    assert sum(share for _, share in looks) == pytest.approx(1)
    assert je.Until(500, part=True).looks(1000) == [(500, 1.0)]


def test_time_is_up(monkeypatch):
    monkeypatch.setattr(drawing, "_PIECE", 500)
    counted = tallied(until=je.Until(100_000, seconds=1e-6))
    assert counted.n == 1000


@pytest.mark.thorough
def test_a_smaller_share_of_the_error_makes_a_wider_bracket():
    """Upper bounds hang on the looks too: at each of them other draws tell what the recorded ones are likely to be."""
    counted = tallied()
    shared = replace(counted, meta={**counted.meta, "error_share": 0.01})
    own, less = je.profile(counted), je.profile(shared)
    assert (less.pattern_lower < own.pattern_lower).all()
    assert (less.pattern_upper.sel(layer="fc2") > own.pattern_upper.sel(layer="fc2") - 1e-9).all()
    assert (less.pattern_upper > own.pattern_upper).any()


@pytest.mark.thorough
def test_merged_tallies_share_the_error_over_pairs_of_looks_and_keep_their_seeds():
    a, b = (tallied(je.Stream(letters, RATES, ["fair", "rare"], "twenty coins", seed=s), 300) for s in (0, 1))
    early, late = (replace(t, meta={**t.meta, "error_share": 0.5}) for t in (a, b))
    assert early.merge(late).meta["error_share"] == 0.25
    with pytest.raises(je.InputError, match="hold the same draws"):
        a.merge(b).merge(b)
    other = tallied(je.Stream(letters, RATES, ["fair", "rare"], "other coins", seed=2), 300)
    with pytest.raises(je.InputError, match=r"different populations.*: other coins and twenty coins"):
        a.merge(other)
    plain = je.tally(network, None, [(np.eye(20), np.arange(20) % 2)], class_names=["fair", "rare"])
    with pytest.raises(je.InputError, match=r"different populations.*inputs of no stream and twenty coins"):
        a.merge(plain)


def test_profiles_are_of_one_population_with_or_without_bits():
    settings: dict = {"until": 100, "recorded": 20}
    other = tallied(je.Stream(letters, RATES, ["fair", "rare"], "other coins"), **settings)
    with pytest.raises(je.InputError, match=r"different populations \(twenty coins; other coins\)"):
        je.profile({"trained": tallied(**settings), "untrained": other})
    states = np.random.default_rng(0).random((200, 6)) < 0.5
    bits = je.Recording.from_activations({"fc1": states}, np.arange(200) % 2)
    mixed = je.profile({"trained": bits, "untrained": je.Tally.of(bits)})
    np.testing.assert_array_equal(*(mixed.pattern_lower.sel(network=name) for name in ("trained", "untrained")))
    assert (mixed.pattern_upper == 6).all()


def test_checkpoints_of_another_function_are_refused(tmp_path):
    """Whose variables, data and names are the same: only what is computed tells them apart."""
    settings: dict = {"until": 200, "recorded": 50, "checkpoints": tmp_path}
    je.tally(network, None, STREAM, **settings)
    assert same(je.tally(lambda v, x: network(v, x), None, STREAM, **settings), tallied(until=200, recorded=50))
    with pytest.raises(je.InputError, match="draws of another stream, network or setting"):
        je.tally(lambda v, x: network(v, -x), None, STREAM, **settings)
    negated = je.Stream(lambda *given: -letters(*given), RATES, ["fair", "rare"], "twenty coins")
    with pytest.raises(je.InputError, match="draws of another stream, network or setting"):
        je.tally(network, None, negated, **settings)


def test_a_killed_call_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "_PIECE", 1000)
    real, made = batches.Counting.count, []

    def dies(*args, **kwargs):
        if len(made) == 2:
            made.append(0)
            raise KeyboardInterrupt
        made.append(0)
        return real(*args, **kwargs)

    monkeypatch.setattr(batches.Counting, "count", dies)
    with pytest.raises(KeyboardInterrupt):
        tallied(checkpoints=tmp_path)
    assert same(tallied(checkpoints=tmp_path), tallied())
    assert len(made) == 3 + 1 + 3
    with pytest.raises(je.InputError, match="draws of another stream, network or setting"):
        tallied(until=4000, checkpoints=tmp_path)


def test_draws_in_a_folder_stay_there(tmp_path, monkeypatch):
    """Memory-mapped; killed between the fingerprints and the counts of a piece, it goes on; cut short, it says so."""
    monkeypatch.setattr(drawing, "_PIECE", 1000)
    counted, whole = tallied(checkpoints=tmp_path), tallied()
    assert same(counted, whole)
    assert counted.meta == whole.meta
    assert all(isinstance(own, np.memmap) for own in (*counted.prints, counted.labels))
    profiles = [je.profile(own) for own in (counted, whole)]
    for name in ("pattern_lower", "pattern_upper", "pattern_entropy", "neuron_entropy"):
        np.testing.assert_array_equal(profiles[0][name], profiles[1][name])
    (tmp_path / "counted-2000-3000.npz").unlink()
    with open(tmp_path / "prints_0.u32", "r+b") as file:
        file.seek(8 * 2 * 2000)
        file.write(b"half a piece, and then the power went")
        file.truncate()
    assert same(tallied(checkpoints=tmp_path), whole)
    with open(tmp_path / "prints_1.u32", "r+b") as file:
        file.truncate(100)
    with pytest.raises(je.InputError, match=r"prints_1.u32 is damaged or not there; delete the folder"):
        tallied(checkpoints=tmp_path)


def test_a_tally_with_recorded_draws_travels(tmp_path):
    counted = tallied()
    counted.save(tmp_path / "t.npz")
    back = je.Tally.load(tmp_path / "t.npz")
    assert same(counted, back)
    assert back.meta == counted.meta
    np.testing.assert_array_equal(recorded_of(back).words[1], recorded_of(counted).words[1])
    np.testing.assert_array_equal(je.profile(back).pattern_upper, je.profile(counted).pattern_upper)


def test_without_recorded_draws_the_upper_bound_is_a_bit_a_neuron():
    profile = je.profile(tallied(recorded=0))
    assert (profile.pattern_upper == profile.width).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: je.tally(network, None, STREAM), "a stream has class names of its own, and needs until"),
        (lambda: tallied(class_names="ab"), "a stream has class names of its own"),
        (lambda: tallied(until=0), "0 draws, of which 500 are recorded; expected 1 or more"),
        (lambda: tallied(until=1 << 33), "a stream has 2\\^32 draws"),
        (lambda: je.tally(network, None, [(np.eye(2), [0, 1])]), "batches need class_names"),
        (lambda: je.tally(network, None, [(np.eye(2), [0, 1])], class_names="ab", until=3), "for streams"),
        (lambda: je.Stream(letters, RATES, [], "coins"), "one or more class names"),
        (lambda: je.Stream(letters, RATES, ["a", "a"], "coins"), "each once; got a, a"),
        (lambda: je.Stream(letters, RATES, ["a"], ""), "a text that says what it draws from"),
        (lambda: je.Until(0), "Until: 0 draws"),
        (lambda: je.Until(5, width=-1.0), "expected positive numbers"),
        (lambda: je.Until(5, seconds=0.0), "expected positive numbers"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(je.InputError, match=message):
        make()
