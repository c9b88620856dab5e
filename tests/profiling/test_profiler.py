from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy.bounds.brackets import Brackets
from jaxentropy.estimators.trust import LEAST_PAIRS, MIN_COVERAGE, SATURATION_LIMIT
from jaxentropy.profiling import brackets as profiling_brackets
from jaxentropy.profiling.neuron_measures import neuron_limits
from jaxentropy.profiling.profiler import profile
from jaxentropy.profiling.schema import LONG_NAMES
from tests import oracles
from tests.conftest import random_recording


@pytest.fixture(scope="module")
def recordings():
    return {
        "trained": [random_recording(s, n=240, widths=(6, 300, 5)) for s in (0, 1)],
        "untrained": [random_recording(s, n=240, widths=(6, 300, 5)) for s in (10, 11)],
    }


@pytest.fixture(scope="module")
def dataset(recordings):
    return profile(recordings, bootstrap=50, bounds=False, seed=3)


def test_every_number_agrees_with_a_loop(recordings, dataset):
    """Networks, seeds, layers and classes one by one, from states, in float64."""
    for network, group in recordings.items():
        for s, recording in enumerate(group):
            for layer in recording.layers:
                at = dataset.sel(network=network, layer=layer).isel(seed=s)
                states = recording.states(layer)
                entropies = {m: [] for m in dataset.estimator.values}
                for c in range(3):
                    mine = states[recording.labels == c]
                    cell = at.isel({"class": c})
                    multiplicities = oracles.multiplicities(mine)
                    counts = [j for j, f in multiplicities.items() for _ in range(f)]
                    unique = len(counts) == len(mine)
                    assert cell.n == len(mine)
                    assert cell.patterns == len(counts)
                    assert float(cell.neuron_entropy) == pytest.approx(oracles.neuron_entropy(mine), abs=1e-12)
                    assert float(cell.unique_fraction) == pytest.approx(len(counts) / len(mine))
                    assert float(cell.coverage) == pytest.approx(1 - multiplicities.get(1, 0) / len(mine))
                    assert float(cell.always_on) == pytest.approx(mine.all(0).mean())
                    assert float(cell.always_off) == pytest.approx((~mine).all(0).mean())
                    plugin = oracles.plugin(counts)
                    assert float(cell.saturation) == pytest.approx(plugin / np.log2(len(mine)))
                    pairs = sum(j * (j - 1) / 2 for j in counts)
                    assert float(cell.coincident_pairs) == pairs
                    trusted = (
                        plugin / np.log2(len(mine)) <= SATURATION_LIMIT
                        and pairs >= LEAST_PAIRS
                        and multiplicities.get(1, 0) <= (1 - MIN_COVERAGE) * len(mine)
                    )
                    assert bool(cell.saturated) == (not trusted)
                    below = np.mean([oracles.zhang(int(k), len(mine)) for k in mine.sum(0)])
                    corrected, bias = float(cell.neuron_entropy_corrected), float(cell.neuron_entropy_bias)
                    assert corrected - bias == pytest.approx(below, abs=1e-12)
                    assert 0 <= bias < 2 / len(mine)
                    for method in dataset.estimator.values:
                        got = float(cell.pattern_entropy.sel(estimator=method))
                        error = float(cell.pattern_entropy_se.sel(estimator=method))
                        if unique and method != "plugin":
                            assert np.isnan(got)
                            assert np.isnan(error)
                            entropies[method].append(np.nan)
                            continue
                        expected = oracles.ENTROPY[method](counts)
                        assert got == pytest.approx(expected, abs=1e-9)
                        if not unique:
                            assert error == pytest.approx(oracles.jackknife_error(counts, method), abs=1e-9)
                        entropies[method].append(expected)
                pooled = oracles.neuron_entropy(states)
                conditional = np.mean([oracles.neuron_entropy(states[recording.labels == c]) for c in range(3)])
                assert float(at.neuron_entropy_pooled) == pytest.approx(pooled, abs=1e-12)
                assert float(at.neuron_information) == pytest.approx(pooled - conditional, abs=1e-12)
                counts = [j for j, f in oracles.multiplicities(states).items() for _ in range(f)]
                for method, by_class in entropies.items():
                    if method == "plugin" or len(counts) < len(states):
                        whole = oracles.ENTROPY[method](counts)
                        assert float(at.pattern_entropy_pooled.sel(estimator=method)) == pytest.approx(whole, abs=1e-9)
                        message = whole - np.mean(by_class)
                        untold = bool(at.saturated_pooled) or bool(at.saturated.any())
                        got = float(at.pattern_information.sel(estimator=method))
                        np.testing.assert_allclose(got, np.nan if untold else message, atol=1e-9)


def test_the_test_above_sees_saturated_and_trusted_cells(dataset):
    """A control on its data: both kinds must occur, or half of its assertions say nothing."""
    assert 0.05 < float(dataset.saturated.mean()) < 0.9
    assert bool(dataset.pattern_entropy.isnull().any())


def test_dimensions_follow_what_was_given(recordings, dataset):
    assert dict(dataset.neuron_entropy.sizes) == {"network": 3, "seed": 2, "layer": 3, "class": 3}
    assert dataset.network.values.tolist() == ["trained", "untrained", "shuffled"]
    assert dataset.seed.values.tolist() == [0, 1]
    assert dataset.width.values.tolist() == [6, 300, 5]
    one = recordings["trained"][0]
    cases: tuple[tuple[Any, dict[str, Any], set[str]], ...] = (
        (one, {}, set()),
        ([one, one], {}, {"seed"}),
        ({"x": one}, {"shuffles": 0}, {"network"}),
        (one, {"shuffles": 2}, {"network"}),
    )
    for given, extra, dims in cases:
        found = profile(given, bootstrap=50, bounds=False, estimators=("plugin",), **extra)
        assert set(found.neuron_fall.dims) == {"step", "class"} | dims
    assert profile(one, shuffles=2, bootstrap=0, bounds=False).network.values.tolist() == ["recorded", "shuffled"]


def test_variables_say_what_they_are(dataset):
    for variable in dataset.data_vars.values():
        assert variable.attrs["long_name"]
        assert variable.attrs["units"] in ("bits", "1")


def test_one_recording_of_several_says_the_same_alone(recordings, dataset):
    alone = profile(recordings["trained"][1], bootstrap=50, bounds=False, seed=3)
    within = dataset.sel(network="trained", seed=1)
    xr.testing.assert_allclose(alone, within[list(alone.data_vars)].drop_vars(["network", "seed"]))


def test_order_of_inputs_does_not_matter(recordings, rng):
    one = recordings["trained"][0]
    a, b = (profile(r, bootstrap=0, bounds=False) for r in (one, one.take(rng.permutation(one.n))))
    xr.testing.assert_allclose(a, b)


def test_same_seed_same_numbers_other_seed_other_null(recordings, dataset):
    xr.testing.assert_identical(profile(recordings, bootstrap=50, bounds=False, seed=3), dataset)
    other = profile(recordings, bootstrap=50, bounds=False, seed=4)
    assert not np.array_equal(
        other.sel(network="shuffled").neuron_entropy, dataset.sel(network="shuffled").neuron_entropy
    )
    xr.testing.assert_identical(
        other.neuron_entropy.sel(network="trained"), dataset.neuron_entropy.sel(network="trained")
    )


def test_shuffled_labels_tell_almost_nothing(dataset):
    real, null = (dataset.neuron_information.sel(network=n) for n in ("trained", "shuffled"))
    assert float(null.max()) < 0.03
    assert float(null.min()) >= 0
    assert float(real.mean()) > 10 * float(null.mean())
    np.testing.assert_array_equal(
        dataset.neuron_entropy_pooled.sel(network="trained"), dataset.neuron_entropy_pooled.sel(network="shuffled")
    )


def test_a_known_answer():
    """Two classes; neuron 1 is the class, neuron 2 a fair coin, neuron 3 is always off."""
    n = 4096
    labels = np.arange(n) % 2
    coin = np.arange(n) // 2 % 2
    states = np.stack([labels, coin, np.zeros(n)], 1).astype(bool)
    ds = profile(je.Recording.from_activations({"a": states}, labels), bootstrap=0, bounds=False)
    np.testing.assert_allclose(ds.neuron_entropy, 1 / 3)
    np.testing.assert_allclose(ds.neuron_entropy_pooled, 2 / 3)
    np.testing.assert_allclose(ds.neuron_information, 1 / 3)
    np.testing.assert_allclose(ds.pattern_entropy, 1.0, atol=1e-3)
    np.testing.assert_allclose(ds.pattern_information, 1.0, atol=1e-3)
    np.testing.assert_allclose(ds.always_off, [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(ds.always_on.sum("class"), 1 / 3)
    assert not ds.saturated.any()


def test_falls_and_their_errors(recordings, dataset):
    entropy = dataset.neuron_entropy_corrected.sel(network=["trained", "untrained"])
    assert dataset.neuron_fall.sel(network="shuffled").isnull().all()
    np.testing.assert_allclose(
        dataset.neuron_fall.sel(network=["trained", "untrained"]),
        entropy.isel(layer=slice(None, -1)).values - entropy.isel(layer=slice(1, None)).values,
    )
    assert dataset.step.values.tolist() == ["fc1→fc2", "fc2→fc3"]
    rng = np.random.default_rng(0)
    recording = recordings["trained"][0]
    mine = np.flatnonzero(recording.labels == 1)
    states = {layer: recording.states(layer) for layer in recording.layers}
    falls = []
    for _ in range(300):
        rows = rng.choice(mine, len(mine))
        falls.append(oracles.neuron_entropy(states["fc1"][rows]) - oracles.neuron_entropy(states["fc2"][rows]))
    ours = float(dataset.neuron_fall_se.sel(network="trained", seed=0, step="fc1→fc2").isel({"class": 1}))
    assert ours == pytest.approx(np.std(falls), rel=0.4)
    np.testing.assert_allclose(
        dataset.excess_fall,
        dataset.neuron_fall.sel(network="trained") - dataset.neuron_fall.sel(network="untrained"),
    )


def test_edge_contract_empty_and_single_classes():
    recording = random_recording(5, labels=np.array([0] * 50 + [1] + [3] * 49), classes=4)
    ds = profile(recording, bootstrap=50, bounds=False)
    assert ds.n.values.tolist() == [50, 1, 0, 49]
    empty, single = ds.isel({"class": 2}), ds.isel({"class": 1})
    for name in ("neuron_entropy", "pattern_entropy", "unique_fraction", "coverage", "always_on", "neuron_fall"):
        assert empty[name].isnull().all(), name
    assert empty.saturated.all()
    assert (single.neuron_entropy == 0).all()
    assert (single.pattern_entropy.sel(estimator="plugin") == 0).all()
    assert single.pattern_entropy.sel(estimator="chao_wang_jost").isnull().all()
    assert ds.neuron_information.notnull().all()


def test_float32_users_stay_in_float32(recordings):
    profile(recordings["trained"][0], bootstrap=50, bounds=False)
    assert not jax.config.read("jax_enable_x64")
    assert jax.numpy.asarray(1.0).dtype == np.float32


def test_save_and_load(dataset, tmp_path):
    je.save_profile(dataset, tmp_path / "p.nc")
    xr.testing.assert_identical(je.load_profile(tmp_path / "p.nc"), dataset)
    assert [p.name for p in tmp_path.iterdir()] == ["p.nc"]


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.9])
def test_truncated_profiles_are_refused(dataset, tmp_path, keep):
    path = tmp_path / "p.nc"
    je.save_profile(dataset, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(je.InputError, match="damaged or not a profile"):
        je.load_profile(path)


@pytest.mark.parametrize("what", ["number", "label", "attribute"])
@pytest.mark.parametrize("hdf5", [False, True])
def test_a_flipped_byte_is_refused(dataset, tmp_path, what, hdf5):
    """Numbers, strings and attributes alike: none of them is read with other content."""
    path = tmp_path / "p.nc"
    je.save_profile(dataset.assign_attrs(large=2**40) if hdf5 else dataset, path)
    content = bytearray(path.read_bytes())
    assert content.startswith(b"\x89HDF" if hdf5 else b"CDF")
    needle = {
        "number": dataset.neuron_entropy.values.astype("<f8" if hdf5 else ">f8").tobytes(),
        "label": b"bounds only",
        "attribute": dataset.attrs["title"].encode(),
    }[what]
    place = content.find(needle)
    assert place > 0
    content[place + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(je.InputError, match=r"damaged or not a profile .*checksum"):
        je.load_profile(path)


def test_a_profile_without_checksum_is_refused(dataset, tmp_path):
    dataset.to_netcdf(tmp_path / "p.nc", engine="h5netcdf")
    with pytest.raises(je.InputError, match="has no checksum: an earlier version or another program"):
        je.load_profile(tmp_path / "p.nc")


def test_no_flipped_byte_is_read_as_something_else(dataset, tmp_path, rng):
    """Anywhere in the file: it is refused, or lies where nothing is read from."""
    path, refused = tmp_path / "p.nc", 0
    je.save_profile(dataset, path)
    content = path.read_bytes()
    for place in rng.choice(len(content), 100, replace=False):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            xr.testing.assert_identical(je.load_profile(path), dataset)
        except je.InputError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    "odd", [{"many": 2**40}, {"names": ["a", "b"]}, {"none": np.zeros((3, 0))}, {"half": np.float16(0.5)}], ids=str
)
def test_what_the_classic_format_cannot_hold_is_written_all_the_same(dataset, tmp_path, odd):
    ((name, value),) = odd.items()
    whole = dataset.assign({name: (("p", "q"), value)}) if name == "none" else dataset.assign_attrs(odd)
    whole = whole.assign({name: ((), value)}) if name in ("half", "many") else whole
    je.save_profile(whole, tmp_path / "p.nc")
    xr.testing.assert_equal(je.load_profile(tmp_path / "p.nc"), whole)
    if name != "none":
        assert np.array_equal(je.load_profile(tmp_path / "p.nc").attrs[name], value)


def test_missing_and_foreign_profiles_are_refused(tmp_path):
    with pytest.raises(je.InputError, match="no profile at"):
        je.load_profile(tmp_path / "p.nc")
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(je.InputError, match="is not a profile: it lacks neuron_entropy"):
        je.load_profile(tmp_path / "other.nc")


def test_noise_tells_nothing_of_the_class():
    """A hundred fair coins: all patterns differ, and the plug-in information would be log₂ 4 = 2 bits."""
    states = np.random.default_rng(0).random((400, 100)) < 0.5
    ds = profile(je.Recording.from_activations({"a": states}, np.arange(400) % 4), bootstrap=0, bounds=False)
    assert ds.saturated_pooled.all()
    assert ds.pattern_information.isnull().all()


def test_profile_refuses(recordings):
    one = recordings["trained"][0]
    for given, message in (
        ({"a": one, "b": one.take(np.arange(239))}, "did not see the same inputs"),
        ({"a": one, "b": one.take(np.arange(240)[::-1])}, "did not see the same inputs"),
        ({"a": one, "b": random_recording(0, n=240)}, "differ in widths: layer 'fc1' has 6 neurons in the one and 5"),
        ({"a": [one], "b": [one, one]}, "one a seed for each"),
        ({"shuffled": one}, "the name 'shuffled' is taken"),
        ({}, "at least one recording"),
        ({"a": recordings["trained"], "b": recordings["trained"][::-1]}, "give them in one order"),
    ):
        with pytest.raises(je.InputError, match=message):
            profile(given)
    with pytest.raises(je.InputError, match="unknown estimator 'best'"):
        profile(one, estimators=("best",))
    with pytest.raises(je.InputError, match="no estimators"):
        profile(one, estimators=())
    for name in ("shuffles", "bootstrap", "seed"):
        with pytest.raises(je.InputError, match=f"{name} is -1; expected 0 or more"):
            profile(one, **{name: -1})  # pyright: ignore[reportArgumentType]


def test_planted_bug_averaging_batch_entropies_is_seen(recordings):
    """A control: entropies averaged over batches of 16, as published code has it, differ from the counts' entropy."""
    states = recordings["trained"][0].states("fc2")[:, :]
    averaged = np.mean([oracles.neuron_entropy(states[i : i + 16]) for i in range(0, len(states), 16)])
    pooled = float(profile(recordings["trained"][0], bootstrap=0, bounds=False).neuron_entropy_pooled.sel(layer="fc2"))
    assert pooled - averaged > 0.02


def test_a_killed_profile_goes_on_from_its_finished_brackets(tmp_path, monkeypatch):
    """Killed in the third of four layers, damaged on disk, then called again; other settings take nothing from it."""
    made = []

    def dies_at_third(patterns, confidence, seed):
        made.append(patterns[0].shape)
        if len(made) == 3:
            raise KeyboardInterrupt
        on = np.array([p.sum() + seed for p in patterns], float)
        return Brackets(on, on + 1, on + 2, on + 3, ("",) * len(on))

    monkeypatch.setattr(profiling_brackets, "brackets", dies_at_third)
    monkeypatch.setattr(profiling_brackets, "conditional_limits", lambda this, *_: np.zeros(len(this)))
    recording = random_recording(5, n=60, widths=(5, 7, 7, 9))
    settings: Any = {"bootstrap": 0, "estimators": ("plugin",), "checkpoints": tmp_path / "kept"}
    with pytest.raises(KeyboardInterrupt):
        profile(recording, **settings)
    finished = next((tmp_path / "kept").iterdir())
    found = profile(recording, **settings)
    assert [width for _, width in made] == [5, 7, 7, 7, 9]
    assert made == [(20, width) for _, width in made]
    without = profile(recording, **(settings | {"checkpoints": None}))
    xr.testing.assert_identical(found, without)
    del made[3:]
    finished.write_bytes(b"no array")
    xr.testing.assert_identical(profile(recording, **settings), without)
    assert len(made) == 4
    assert (profile(recording, seed=1, **settings).pattern_lower == found.pattern_lower + 1).all()


# ---- the bias of neuron entropies


@pytest.mark.parametrize("n", [2, 3, 12, 60, 400])
def test_the_expectations_of_the_two_neuron_estimates_enclose_the_entropy(n):
    """At every rate, by summing over all counts; and close in where a neuron is on for more than a few inputs."""
    least, most = neuron_limits(np.arange(n + 1)[:, None], np.full(n + 1, n))
    for p in (*np.geomspace(1e-5, 0.5, 60), *(1 - np.geomspace(1e-5, 0.5, 60))):
        truth = oracles.binary_entropy(float(p))
        low, high = (oracles.binomial_mean(x.tolist(), float(p)) for x in (least, most))
        assert low <= truth + 1e-12
        assert high >= truth - 1e-12
        assert high - low < (0.75 if n > 9 else 2) / n
        if 12 < n * p < n - 12:
            assert high - low < 1e-4 / n


def test_a_smaller_correction_does_not_enclose_it():
    """A control: nine tenths of it, and the plug-in with Miller and Madow's, lie below the entropy at some rate."""
    n = 400
    least, most = neuron_limits(np.arange(n + 1)[:, None], np.full(n + 1, n))
    rates = np.geomspace(1e-6, 0.5, 300)
    truth = np.array([oracles.binary_entropy(float(p)) for p in rates])
    plain = [oracles.plugin([k, n - k]) + (0 < k < n) / (2 * n * np.log(2)) for k in range(n + 1)]
    for values in (least + 0.9 * (most - least), np.array(plain)):
        mean = np.array([oracles.binomial_mean(values.tolist(), float(p)) for p in rates])
        assert (mean < truth - 1e-6).any()


def test_neuron_estimates_of_no_and_of_one_input():
    least, most = neuron_limits(np.zeros((2, 5), int), np.array([0, 1]))
    np.testing.assert_array_equal(least, [np.nan, 0])
    np.testing.assert_array_equal(most, [np.nan, 1])


def test_falls_carry_the_bias_of_both_layers(dataset):
    bias = dataset.neuron_entropy_bias.sel(network="trained")
    both = bias.isel(layer=slice(None, -1)).values + bias.isel(layer=slice(1, None)).values
    np.testing.assert_allclose(dataset.neuron_fall_bias.sel(network="trained"), both)
    twin = dataset.neuron_fall_bias.sel(network="untrained").values
    np.testing.assert_allclose(dataset.excess_fall_bias, dataset.neuron_fall_bias.sel(network="trained").values + twin)
    assert dataset.neuron_fall_bias.sel(network="shuffled").isnull().all()


def test_a_variable_that_nobody_described_is_an_error(monkeypatch):
    """Planted: a quantity that has no long name. It was once left out in silence."""
    from jaxentropy.profiling import profiler as module

    known = module.pattern_quantities
    planted = {"novelty": (("class",), np.zeros((1, 3)))}
    monkeypatch.setattr(module, "pattern_quantities", lambda *given: known(*given) | planted)
    with pytest.raises(LookupError, match="novelty computed, but not described"):
        profile(random_recording(0), bootstrap=0, bounds=False)


def test_described_variables_have_one_order_and_an_entry_each(dataset):
    assert list(dataset.data_vars) == [name for name in LONG_NAMES if name in dataset]
    for name, variable in dataset.data_vars.items():
        assert (variable.attrs["long_name"], variable.attrs["units"]) == LONG_NAMES[str(name)]


# ---- neurons that are constant over all inputs


def with_constants(states, dead, always=0):
    """The same states with so many neurons more that are never on, and always."""
    n = len(states)
    return np.concatenate([np.zeros((n, dead), bool), states, np.ones((n, always), bool)], axis=1)


@pytest.fixture(scope="module")
def partly_dead() -> dict[str, np.ndarray]:
    """12 neurons that fire for the first of three classes only are active; fc3 has no active neuron at all."""
    rng = np.random.default_rng(3)
    n = 90
    one_class = (rng.random((n, 12)) < 0.5) & (np.arange(n) % 3 == 0)[:, None]
    fc1, fc2 = rng.random((n, 20)) < 0.3, np.concatenate([rng.random((n, 8)) < 0.6, one_class], axis=1)
    return {"fc1": with_constants(fc1, 30, 4), "fc2": with_constants(fc2, 3), "fc3": with_constants(fc1[:, :0], 5, 2)}


@pytest.mark.filterwarnings("ignore::jaxentropy.ConstantLayerWarning")
def test_means_without_constant_neurons_agree_with_a_loop(partly_dead):
    labels = np.arange(90) % 3
    recording = je.Recording.from_activations(partly_dead, labels)
    found = profile({"trained": recording}, bootstrap=20, bounds=False)
    assert found.neuron_fall_active.sel(network="shuffled").isnull().all()
    for layer, states in partly_dead.items():
        active = states.any(0) & ~states.all(0)
        for network in ("trained", "shuffled"):
            at = found.sel(network=network, layer=layer)
            assert float(at.never_on) == pytest.approx((~states.any(0)).mean())
            assert float(at.never_off) == pytest.approx(states.all(0).mean())
        at = found.sel(network="trained", layer=layer)
        if not active.any():
            assert at.neuron_entropy_active.isnull().all()
            assert at.neuron_entropy_active_corrected.isnull().all()
            continue
        for c in range(3):
            mine, cell = states[labels == c][:, active], at.isel({"class": c})
            assert float(cell.neuron_entropy_active) == pytest.approx(oracles.neuron_entropy(mine), abs=1e-12)
            below = np.mean([oracles.zhang(int(k), len(mine)) for k in mine.sum(0)])
            assert float(cell.neuron_entropy_active_corrected - cell.neuron_entropy_active_bias) == pytest.approx(below)
            assert float(cell.neuron_entropy_active) > float(cell.neuron_entropy)
    assert found.neuron_fall_active.sel(network="trained", step="fc2→fc3").isnull().all()


def test_the_rest_of_a_network_without_its_constant_neurons_says_the_same(partly_dead):
    """Errors, limits and all: what is given of the active neurons is a profile of a recording of nothing else."""
    labels = np.arange(90) % 3
    layers = {name: partly_dead[name] for name in ("fc1", "fc2")}
    only = {name: states[:, states.any(0) & ~states.all(0)] for name, states in layers.items()}
    whole, rest = (
        profile(je.Recording.from_activations(given, labels), bootstrap=50, bounds=False) for given in (layers, only)
    )
    assert (rest.never_on == 0).all()
    assert (whole.neuron_fall_active_se > 0).any()
    for name in ("neuron_entropy", "neuron_fall"):
        for ending in ("", "_corrected", "_bias") if name == "neuron_entropy" else ("", "_bias", "_se"):
            active = whole[f"{name}_active{ending}"].values
            np.testing.assert_allclose(active, rest[f"{name}{ending}"].values, rtol=1e-5)
            np.testing.assert_allclose(active, rest[f"{name}_active{ending}"].values, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::jaxentropy.ConstantLayerWarning")
def test_dead_neurons_change_nothing_of_the_active_ones(partly_dead):
    """And a tally has the same numbers, but for the falls."""
    labels = np.arange(90) % 3
    more = partly_dead | {"fc1": with_constants(partly_dead["fc1"], 8)}
    a, b = (je.Recording.from_activations(given, labels) for given in (partly_dead, more))
    found, other = (profile(r, bootstrap=50, bounds=False) for r in (a, b))
    for name in found.data_vars:
        if "_active" in str(name):
            np.testing.assert_allclose(found[name], other[name], rtol=1e-5)
    assert float(other.never_on.sel(layer="fc1")) == pytest.approx(38 / 62)
    counted = profile(je.Tally.of(a))
    for name in ("neuron_entropy_active", "neuron_entropy_active_corrected", "neuron_entropy_active_bias", "never_on"):
        xr.testing.assert_allclose(counted[name], found[name])


def test_pattern_entropies_by_width_and_ceiling():
    """3 and 40 fair coins, 64 inputs a class: the ceilings are 3 bits, and log2 64 = 6; no input, no ceiling."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 64 + [2] * 64 + [3])
    states = {"a": rng.random((129, 3)) < 0.5, "b": rng.random((129, 40)) < 0.5}
    found = profile(je.Recording.from_activations(states, labels), bootstrap=0, bounds=False)
    np.testing.assert_allclose(found.pattern_ceiling, [[3, np.nan, 3, 0], [6, np.nan, 6, 0]])
    for i, (layer, width) in enumerate((("a", 3), ("b", 40))):
        for c in (0, 2):
            at = found.sel(layer=layer, estimator="plugin").isel({"class": c})
            mine = states[layer][labels == c]
            bits = oracles.plugin(list(np.unique(mine, axis=0, return_counts=True)[1]))
            assert float(at.pattern_entropy_per_neuron) == pytest.approx(bits / width)
            assert float(at.pattern_entropy_share) == pytest.approx(bits / (3, 6)[i])
    assert found.pattern_entropy_share.isel({"class": [1, 3]}).isnull().all()
    assert float(found.pattern_entropy_share.sel(layer="b", estimator="plugin").isel({"class": 0})) == pytest.approx(1)
