"""Sweeps on a small data set: what is in the files, what is made again, and what is gathered."""

import dataclasses
import json
import re
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy import plots
from jaxentropy.capture import sown
from jaxentropy.claims.gathered import gathered_from
from jaxentropy.cli import main
from jaxentropy.datasets import load
from jaxentropy.experiments.sweeps import jobs, measure
from jaxentropy.experiments.sweeps.grid import Network
from jaxentropy.experiments.sweeps.measure import nearest_centre, probed, trained_on
from jaxentropy.networks.models import MLP, OneLinear
from jaxentropy.networks.training import Recipe, train
from jaxentropy.reports import claims_page
from jaxentropy.reports.claims_page import write_claims
from tests.claims.test_memorisation import sweep as noisy_sweep
from tests.claims.test_survey import sweep as varied_sweep

pytestmark = pytest.mark.filterwarnings("ignore::jaxentropy.ConstantLayerWarning")
SETTINGS = {"depth": [1, 3], "width": 8, "epochs": 2, "batch_size": 16, "learning_rate": 1e-2, "retrain_epochs": 1}
TIMED = ("forward_seconds",)


@pytest.fixture(scope="module")
def settings(toy_file):
    return {**SETTINGS, "dataset": f"npz:{toy_file}"}


@pytest.fixture(scope="module")
def done(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "out"
    return je.sweep(settings, folder, seeds=2, workers=0)


def contents(results) -> dict[str, xr.Dataset]:
    return {key: results.profile(key).drop_vars(TIMED) for key in results.keys}


@pytest.fixture(scope="module")
def expected(done):
    """What is in the files of ``done``: read once, for all tests that compare with it."""
    return contents(done)


def flip_a_byte(results, key):
    """Of a number, as the file has it: there is room between that nothing is read from."""
    path = results.store.path(key)
    content = bytearray(path.read_bytes())
    content[content.find(results.profile(key).neuron_entropy.values.astype(">f8").tobytes()) + 3] ^= 0xFF
    path.write_bytes(content)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, one in expected.items():
        xr.testing.assert_identical(found[key], one)


def test_each_network_has_what_it_has_alone(done, settings):
    """Its profile, accuracies and history, made by hand from the same pieces."""
    assert len(done) == 4
    assert not done.failed
    data = load(settings["dataset"])
    [key] = [k for k, n in done.store.networks.items() if (n.depth, n.seed) == (3, 1)]
    network, found = done.store.networks[key], done.profile(key)
    model = MLP((8, 8, 8), 3)
    trained = train(model, data, (1,), measure.recipe_of(network))
    recordings = {
        kind: je.record(sown(model), own, [(data.test_images, data.test_labels)], class_names=data.class_names)
        for kind, own in zip(("untrained", "trained"), trained.of_seed(0), strict=True)
    }
    expected = je.profile(
        {kind: recordings[kind] for kind in ("trained", "untrained")},
        bounds=False, bootstrap=measure.BOOTSTRAP, estimators=("plugin",), seed=1,
    )  # fmt: skip
    for name in ("neuron_entropy", "neuron_fall_se", "pattern_entropy", "neuron_information"):
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_array_equal(found.epoch_loss, trained.loss[0])
    assert float(found.test_accuracy) == pytest.approx(float(trained.test_accuracy[0, -1]))
    assert float(found.parameters) == 64 * 8 + 8 + 2 * (8 * 8 + 8) + 8 * 3 + 3
    assert found.attrs["setting_depth"] == 3


def test_layers_without_their_nonlinearity(done, settings):
    """By NumPy, from the network's weights."""
    data = load(settings["dataset"])
    [key] = [k for k, n in done.store.networks.items() if (n.depth, n.seed) == (3, 0)]
    params = train(MLP((8, 8, 8), 3), data, (0,), measure.recipe_of(done.store.networks[key])).of_seed(0)[1]["params"]
    for k in range(3):
        x = data.test_images.reshape(len(data.test_labels), -1)
        for i in range(3):
            x = x @ np.asarray(params[f"dense{i + 1}"]["kernel"]) + np.asarray(params[f"dense{i + 1}"]["bias"])
            x = x if i == k else np.maximum(x, 0)
        logits = x @ np.asarray(params["output"]["kernel"]) + np.asarray(params["output"]["bias"])
        assert float(done.profile(key).linearised_accuracy[k]) == (logits.argmax(1) == data.test_labels).mean()


def test_retraining_without_a_nonlinearity(done, settings):
    """Each by itself, from the trained weights; beside a control that keeps all."""
    data = load(settings["dataset"])
    [key] = [k for k, n in done.store.networks.items() if (n.depth, n.seed) == (3, 1)]
    recipe = measure.recipe_of(done.store.networks[key])
    start = train(MLP((8, 8, 8), 3), data, (1,), recipe).of_seed(0)[1]
    found = done.profile(key)
    for k, stored in enumerate([found.retrained_control, *found.retrained_accuracy]):
        again = train(
            OneLinear((8, 8, 8), 3), data, (1,), dataclasses.replace(recipe, epochs=1),
            start=[start | {"linear": {"layer": jnp.int32(k)}}],
        )  # fmt: skip
        assert float(stored) == again.test_accuracy[0, -1]


def test_halves_are_profiles_of_every_second_input(done, settings):
    """Of the recorded inputs, and of the test inputs that readers are asked."""
    data = load(settings["dataset"])
    [key] = [k for k, n in done.store.networks.items() if (n.depth, n.seed) == (3, 0)]
    found, model = done.profile(key), MLP((8, 8, 8), 3)
    variables = train(model, data, (0,), measure.recipe_of(done.store.networks[key])).of_seed(0)
    for h in (0, 1):
        batch = (data.test_images[h::2], data.test_labels[h::2])
        for state, own in zip(("untrained", "trained"), variables, strict=True):
            recording = je.record(sown(model), own, [batch], class_names=data.class_names)
            expected = je.profile(recording, bounds=False, bootstrap=0, estimators=("plugin",))
            one = found.sel(state=state).isel(half=h)
            np.testing.assert_allclose(one.neuron_entropy_half, expected.neuron_entropy.values, atol=1e-12)
            np.testing.assert_allclose(one.neuron_information_half, expected.neuron_information.values, atol=1e-12)
    for name in ("probe_accuracy", "centre_accuracy"):
        sizes = np.array([len(data.test_labels[h::2]) for h in (0, 1)])
        whole = np.tensordot(sizes / sizes.sum(), found[f"{name}_half"].values, 1)
        np.testing.assert_allclose(whole, found[name].values)


def test_of_inputs_in_the_order_of_their_classes_all_classes_are_recorded(tmp_path, rng):
    images, labels = rng.normal(size=(400, 4, 4, 1)).astype(np.float32), np.repeat(np.arange(4), 100)
    np.savez(tmp_path / "sorted.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    network = Network(dataset=f"npz:{tmp_path}/sorted.npz", recorded=100)
    data, model = load(network.dataset), MLP((5,), 4)
    variables = model.init(jax.random.key(0), jnp.asarray(data.test_images[:1]))
    found = measure._recorded(network, model, data, {"params": variables["params"]})
    assert found.n == 100
    assert np.bincount(found.labels).min() > 12


@pytest.mark.thorough
def test_the_twin_of_a_batch_normalised_network_is_normalised(toy):
    """What each nonlinearity of the twin sees of the training inputs has mean 0 and variance 1."""
    model = MLP((8, 6), 3, norm="batch", dropout=0.5)
    untrained = train(model, toy, (0,), Recipe(epochs=1, batch_size=16)).of_seed(0)[0]
    twin = measure._normalised(model, untrained, toy.train_images)
    _, seen = sown(model)(twin, jnp.asarray(toy.train_images))
    for own in seen.values():
        np.testing.assert_allclose(own.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(own.var(0), 1, atol=1e-3)
    _, before = sown(model)(untrained, jnp.asarray(toy.train_images))
    assert max(float(abs(own.mean(0)).max()) for own in before.values()) > 0.1


def test_probes_agree_with_a_plain_solution(rng):
    x, y = rng.normal(size=(90, 5)), rng.normal(size=(40, 5))
    labels, tested = np.arange(90) % 3, np.arange(40) % 3
    x[np.arange(90), labels] += 2
    y[np.arange(40), tested] += 2
    z = (x - x.mean(0)) / (x.std(0) + 1e-6)
    extended = np.vstack([np.column_stack([z, np.ones(90)]), np.sqrt(measure.RIDGE * 90) * np.eye(6)])
    targets = np.vstack([np.eye(3)[labels], np.zeros((6, 3))])
    weights = np.linalg.lstsq(extended, targets, rcond=None)[0]
    guessed = np.column_stack([(y - x.mean(0)) / (x.std(0) + 1e-6), np.ones(40)]) @ weights
    np.testing.assert_array_equal(probed(x, labels, y, 3), guessed.argmax(1))
    assert (guessed.argmax(1) == tested).mean() > 0.6
    centres = np.array([x[labels == c].mean(0) for c in range(3)])
    distances = ((y[:, None] - centres) ** 2).sum(-1)
    np.testing.assert_array_equal(nearest_centre(x, labels, y, 3), distances.argmin(1))
    # a class that is not there is never the nearest
    np.testing.assert_array_equal(nearest_centre(x, labels, y, 4), distances.argmin(1))


def test_only_what_is_missing_or_damaged_is_made_again(settings, done, expected, tmp_path, monkeypatch):
    """By the shard that it falls to; the longer tests make whole sweeps so."""
    made = []
    run_job = jobs.run_job

    def noted(store, keys, at_once=1):
        made.extend(keys)
        return run_job(store, keys, at_once)

    monkeypatch.setattr("jaxentropy.experiments.sweeps.engine.run_job", noted)
    copied = je.load_sweep(shutil.copytree(done.store.folder, tmp_path / "out"))
    assert len(je.sweep(settings, tmp_path / "out", seeds=2, workers=0)) == 4
    assert made == []
    damaged, missing = copied.keys[:2]
    flip_a_byte(copied, damaged)
    copied.store.path(missing).unlink()
    je.sweep(settings, tmp_path / "out", seeds=2, workers=0, shard=(0, 2))
    results = je.sweep(settings, tmp_path / "out", seeds=2, workers=0, shard=(1, 2))
    assert sorted(made) == sorted([damaged, missing])
    assert_same(contents(results), expected)


@pytest.mark.programs
def test_what_is_there_is_not_made_again_and_a_sweep_may_grow(settings, expected, tmp_path, monkeypatch):
    made = []
    run_job = jobs.run_job

    def noted(store, keys, at_once=1):
        made.extend(keys)
        return run_job(store, keys, at_once)

    monkeypatch.setattr("jaxentropy.experiments.sweeps.engine.run_job", noted)
    first = je.sweep({**settings, "depth": 1}, tmp_path / "out", seeds=1, workers=0)
    assert len(made) == len(first) == 1
    grown = je.sweep(settings, tmp_path / "out", seeds=2, workers=0)
    assert len(made) == len(grown) == 4
    assert_same(contents(grown), expected)
    je.sweep(settings, tmp_path / "out", seeds=2, workers=0)
    assert len(made) == 4
    # a damaged file is made again; one that is missing too
    damaged, missing = grown.keys[:2]
    flip_a_byte(grown, damaged)
    grown.store.path(missing).unlink()
    again = je.sweep(settings, tmp_path / "out", seeds=2, workers=0)
    assert sorted(made[4:]) == sorted([damaged, missing])
    assert_same(contents(again), expected)
    with pytest.raises(je.InputError, match="holds another sweep: 4 of the 4 networks there are not in the grid"):
        je.sweep({**settings, "width": 9}, tmp_path / "out", seeds=2)


@pytest.mark.programs
def test_two_shards_and_another_executor_give_the_same(settings, expected, tmp_path):
    with ThreadPoolExecutor(2) as executor:
        first = je.sweep(settings, tmp_path / "out", seeds=2, shard=(0, 2), executor=executor)
        assert len(first) == 2
        results = je.sweep(settings, tmp_path / "out", seeds=2, shard=(1, 2), executor=executor)
        assert len(results) == 4
    assert_same(contents(results), expected)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def test_a_damaged_or_unknown_network_says_what_to_do(done, tmp_path):
    copied = je.load_sweep(shutil.copytree(done.store.folder, tmp_path / "out"))
    with pytest.raises(je.InputError, match=f"no network 'xyz' in this sweep; .* for example {copied.keys[0]}, "):
        copied.profile("xyz")
    flip_a_byte(copied, copied.keys[1])
    with pytest.raises(je.InputError, match=r"is damaged.*; run the sweep again, which makes damaged files anew"):
        copied.to_dataset()
    gone, failed = done.keys[2:]
    copied.store.path(gone).unlink()
    with pytest.raises(je.InputError, match=f"has no network {gone}; run the sweep again"):
        copied.profile(gone)
    copied.store.path(failed).unlink()
    copied.store.save_failure(failed, "no room")
    with pytest.raises(je.InputError, match=r"\(depth 3, seed 1\) failed: no room"):
        copied.profile(failed)


def test_a_dry_run_says_what_there_is_to_do_and_writes_nothing(settings, done, tmp_path, capsys):
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()] + ["seeds = 2"]
    (tmp_path / "sweep.toml").write_text("\n".join(lines))
    main(["sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "out"), "--dry-run", "--workers", "2"])
    said = capsys.readouterr().out
    assert said.startswith("4 networks of 2 configurations: 0 done, 0 failed before, 4 to go in 2 jobs: very roughly ")
    assert said.endswith(" on 2 cores of a processor. Nothing was written.\n")
    assert not (tmp_path / "out").exists()
    folder = shutil.copytree(done.store.folder, tmp_path / "copied")
    je.load_sweep(folder).store.path(done.keys[0]).unlink()
    je.load_sweep(folder).store.save_failure(done.keys[0], "no room")
    before = sorted(folder.rglob("*"))
    main(["sweep", str(tmp_path / "sweep.toml"), "--out", str(folder), "--dry-run"])
    said = capsys.readouterr().out
    assert "3 done, 1 failed before (--retry tries them again), 0 to go. Nothing was written." in said
    assert sorted(folder.rglob("*")) == before
    main(["sweep", str(tmp_path / "sweep.toml"), "--out", str(folder), "--dry-run", "--retry", "--workers", "0"])
    assert "1 to go in 1 job: very roughly a minute on 1 core of" in capsys.readouterr().out


def test_a_file_with_the_grid_is_as_good(settings, done, tmp_path):
    """Its seeds count, unless others are given."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()] + ["seeds = 1"]
    (tmp_path / "sweep.toml").write_text("\n".join(lines))
    folder = shutil.copytree(done.store.folder, tmp_path / "out")
    assert len(je.sweep(tmp_path / "sweep.toml", folder, seeds=2, shard="0/2")) == 4
    with pytest.raises(je.InputError, match="2 of the 4 networks there are not in the grid that you give now"):
        je.sweep(str(tmp_path / "sweep.toml"), folder)


@pytest.mark.thorough
def test_failures_are_noted_and_stop_no_other(settings, tmp_path, monkeypatch):
    """Too large a learning rate makes a loss of NaN; a broken measurement fails one network alone."""
    settings = {**settings, "depth": 1, "learning_rate": [1e-2, 1e30]}
    measured = jobs.measured

    def breaks(network, *rest):
        if network.seed == 1 and network.learning_rate < 1:
            raise MemoryError("no room")
        return measured(network, *rest)

    monkeypatch.setattr(jobs, "measured", breaks)
    with pytest.warns(UserWarning, match="3 of 4 networks failed, for example"):
        results = je.sweep(settings, tmp_path / "out", seeds=2, workers=0)
    assert len(results) == 1
    reasons = sorted(results.failed.values())
    assert reasons[0] == "MemoryError: no room"
    assert "diverged" in reasons[1]
    noted = json.loads(next((tmp_path / "out" / "failed").iterdir()).read_text())
    assert noted["settings"]["depth"] == 1
    monkeypatch.setattr(jobs, "measured", measured)
    with pytest.warns(UserWarning, match=r"3 of 4 .*3 of them before this run"):  # they are not tried again unasked
        assert len(je.sweep(settings, tmp_path / "out", seeds=2, workers=0)) == 1
    with pytest.warns(UserWarning, match="2 of 4"):
        assert len(je.sweep(settings, tmp_path / "out", seeds=2, workers=0, retry=True)) == 2


def test_gathered(done):
    gathered = done.to_dataset()
    assert dict(gathered.sizes) == {"member": 4, "half": 2, "state": 2, "layer": 3, "class": 3, "step": 2}
    for i, key in enumerate(gathered.key.values):
        one, depth = done.profile(key), int(gathered.depth[i])
        own = gathered.isel(member=i)
        for state in ("untrained", "trained"):
            np.testing.assert_array_equal(
                own.neuron_entropy.sel(state=state)[:depth], one.neuron_entropy.sel(network=state)
            )
            assert own.neuron_entropy.sel(state=state)[depth:].isnull().all()
        if depth > 1:
            np.testing.assert_array_equal(own.neuron_fall.sel(state="trained"), one.neuron_fall.sel(network="trained"))
        else:
            assert own.neuron_fall.isnull().all()
        np.testing.assert_array_equal(own.probe_accuracy[:, :depth], one.probe_accuracy)
        np.testing.assert_array_equal(own.neuron_entropy_half[:, :, :depth], one.neuron_entropy_half)
        np.testing.assert_array_equal(own.retrained_accuracy[:depth], one.retrained_accuracy)
    assert len(set(gathered.configuration.values)) == 2
    table = done.to_dataframe()
    assert len(table) == 2 * (2 * 1 + 2 * 3)
    row = table[(table.depth == 3) & (table.layer == 2) & (table.state == "trained") & (table.seed == 0)].iloc[0]
    one = done.profile(row.key)
    expected = float(one.neuron_entropy.sel(network="trained", layer="fc2").mean())
    assert row.neuron_entropy == pytest.approx(expected)
    assert row.test_accuracy == float(one.test_accuracy)
    assert len(done.networks()) == 4
    summary = done.summary()
    assert "| depth | networks |" in summary.replace("  ", " ")
    assert "Results(4 of 4 networks; " in repr(je.load_sweep(done.store.folder))


def test_the_page_of_claims(done, tmp_path, capsys):
    """What the sweep allows is told, what it does not is said; the command writes and prints it."""
    main(["claims", str(done.store.folder), "--out", str(tmp_path / "page")])
    page = (tmp_path / "page" / "claims.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == page.strip()
    assert "4 networks of 2 configurations, each beside its untrained twin. Varied: depth 1, 3; 2 seeds." in page
    assert "unfinished" not in page
    assert "Does entropy fall with every layer?" in page
    assert "1 family of 1 data set" in page
    assert "This sweep does not tell: no network was trained with label noise" in page
    assert "| summed         | The first layer whose neurons" in page
    lines = page.splitlines()
    titles = [k for k, line in enumerate(lines) if line.startswith(("## ", "!["))]
    assert all(not lines[k - 1] and not lines[k + 1] for k in titles if k + 1 < len(lines))
    advised = je.advise_depth(done.to_dataset())  # of all depths: those that learnt are read
    assert advised.text in page
    pictures = re.findall(r"!\[\w+\]\((\w+\.png)\)", page)
    assert pictures == ["steps.png", "depth.png"]  # two configurations have no correlations
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"claims.md", "survey-tables.md", *pictures}


def test_tables_of_the_survey_are_folded_under_headings(done, tmp_path):
    write_claims(done.to_dataset(), tmp_path)
    text = (tmp_path / "survey-tables.md").read_text(encoding="utf-8")
    assert text.count("\n## ") == text.count("<details><summary>") == text.count("</summary>\n\n|") == 7
    told = je.survey(done.to_dataset()).to_markdown()
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        line for line in told.splitlines() if line.startswith("|")
    ]


def test_the_page_of_one_network_that_is_not_all(done, tmp_path):
    """Nothing varies: no correlations to draw, no depths to compare, and no plurals."""
    page = write_claims(done.to_dataset().isel(member=[0]), tmp_path, unfinished=3).read_text(encoding="utf-8")
    assert "**This sweep is unfinished:** 3 networks of its grid are not there yet." in page
    assert "1 network of 1 configuration, beside its untrained twin. Varied: nothing; 1 seed. All: " in page
    assert "This sweep does not tell: in no family" in page
    assert "correlations.png" not in page
    assert not (tmp_path / "correlations.png").exists()


def test_the_page_gives_the_example_of_a_family_that_learnt_and_draws_its_judged_depths(done, tmp_path, monkeypatch):
    gathered = done.to_dataset()
    slow = gathered.assign_coords(
        width=gathered.width + 1,
        key=gathered.key.str.cat("-slow"),
        configuration=gathered.configuration.str.cat("-slow"),
    ).assign(train_accuracy=gathered.train_accuracy * 0)
    learnt = gathered.assign(train_accuracy=gathered.train_accuracy * 0 + 1)
    both = xr.concat([slow, learnt], "member")
    assert isinstance(both, xr.Dataset)
    drawn = []
    monkeypatch.setattr(plots, "depth_figure", lambda table, families: drawn.append(families) or plt.figure())
    page = write_claims(both, tmp_path).read_text(encoding="utf-8")
    assert "**For example,** " in page
    assert ", relu, 8 neurons a layer, networks of 1, 3 layers:" in page
    [families] = drawn
    share = families.judged.sel(rule="gain").sum("depth")
    np.testing.assert_allclose(share, 1)
    mean = (families.judged * families.depth).sum("depth").sel(rule="gain")
    np.testing.assert_allclose(mean, families.deepest - families.layers_saved.sel(rule="gain"))


@pytest.mark.thorough
def test_what_is_known_is_drawn_on_the_page(tmp_path, monkeypatch, done):
    told, kept = je.survey(varied_sweep(datasets=1), resamples=20), je.memorisation(noisy_sweep())
    monkeypatch.setattr(claims_page, "survey", lambda gathered: told)
    monkeypatch.setattr(claims_page, "memorisation", lambda gathered: kept)
    page = write_claims(done.to_dataset(), tmp_path).read_text(encoding="utf-8")
    assert "![correlations](correlations.png)" in page
    assert "![memorisation](memorisation.png)" in page


@pytest.mark.thorough
def test_label_noise_is_told_apart_by_layer(settings, tmp_path):
    """Of the inputs whose label was changed; images are of their true class, and tell nothing of the other at first."""
    results = je.sweep({**settings, "depth": 1, "label_noise": 0.5}, tmp_path / "out", seeds=1, workers=0)
    [one] = contents(results).values()
    true, given = one.information_true_label, one.information_trained_label
    assert true.dims == given.dims == ("state", "layer")
    assert (true > given + 0.02).all()
    assert one.changed_accuracy.dims == ("state",)
    [network] = results.store.networks.values()
    data, model = load(settings["dataset"]), MLP((8,), 3)
    noisy = measure._labels(network, data)
    changed = noisy != data.train_labels
    weights = train(model, data, (0,), measure.recipe_of(network)).of_seed(0)
    for own, expected in zip(weights, one.changed_accuracy.values, strict=True):
        guessed = np.asarray(model.apply(own, jnp.asarray(data.train_images[changed]))).argmax(1)
        assert expected == (guessed == noisy[changed]).mean()


def test_a_task_of_which_every_input_is_recorded_is_exact(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = je.sweep(
            {"dataset": "task:parity:5", "depth": 2, "width": 4, "epochs": 1}, tmp_path, seeds=1, workers=0
        )
    gathered = results.to_dataset()
    assert gathered.exact.all()
    assert (gathered.neuron_fall_se.sel(step=1, **{"class": 0}) == 0).all()
    assert int(results.profile(results.keys[0]).n.sum()) == 32


def test_training_inputs_are_chosen_by_a_fixed_seed(toy):
    less = trained_on(toy, 50)
    assert less.train_images.shape[0] == 50
    assert trained_on(toy, 50).digest() == less.digest()
    assert trained_on(toy, 1000) is toy
    assert {image.tobytes() for image in less.train_images} <= {image.tobytes() for image in toy.train_images}


def test_folders(settings, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(je.InputError, match="is not a jaxentropy results folder"):
        je.sweep(settings, tmp_path, seeds=1)
    with pytest.raises(je.InputError, match="not a jaxentropy results folder"):
        je.load_sweep(tmp_path / "nowhere")
    with pytest.raises(je.InputError, match="unknown data set"):
        je.sweep({"dataset": "mnist6k"}, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert str(Network(depth=2)) == "depth 2"


@pytest.mark.thorough
@pytest.mark.parametrize("claim", [je.survey, je.validate_depth, je.removable, je.memorisation])
def test_claims_take_results_as_they_are_and_refuse_tables(claim, done):
    """What the small sweep does not allow is refused in the same words."""
    said = []
    for given in (done, done.to_dataset()):
        try:
            said.append(str(claim(given)))
        except je.InputError as error:
            said.append(str(error))
    assert said[0] == said[1]


def test_a_table_is_no_gathered_sweep(done):
    with pytest.raises(je.InputError, match=r"survey: expected what load_sweep\(folder\) gives.*got DataFrame"):
        gathered_from(done.to_dataframe(), "survey")


def test_the_table_goes_to_parquet_and_back(done, tmp_path):
    pytest.importorskip("pyarrow")
    table = done.to_dataframe()
    table.to_parquet(tmp_path / "sweep.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "sweep.parquet"), table)


@pytest.mark.thorough
def test_networks_with_norms_are_linearised_too(settings, tmp_path):
    """The norm stays and its nonlinearity goes: by the module that leaves it out."""
    results = je.sweep({**settings, "depth": 3, "norm": ["batch", "layer"]}, tmp_path / "out", seeds=1, workers=0)
    gathered, data = results.to_dataset(), load(settings["dataset"])
    assert gathered.linearised_accuracy.notnull().all()
    assert gathered.retrained_accuracy.notnull().all()
    for i, network in enumerate(results.store.networks.values()):
        model = MLP((8, 8, 8), 3, norm=network.norm)
        own = train(model, data, (0,), measure.recipe_of(network)).of_seed(0)[1]
        linear = OneLinear((8, 8, 8), 3, norm=network.norm)
        for k in (1, 2, 3):
            logits = linear.apply(own | {"linear": {"layer": jnp.int32(k)}}, jnp.asarray(data.test_images))
            expected = (np.asarray(logits).argmax(1) == data.test_labels).mean()
            assert float(gathered.linearised_accuracy[i, k - 1]) == pytest.approx(expected)


@pytest.mark.thorough
def test_a_value_that_failed_may_be_taken_back(settings, done, tmp_path, monkeypatch):
    """What never gave a result does not hold the folder."""
    monkeypatch.setattr(jobs, "measured", lambda *_: (_ for _ in ()).throw(je.InputError("planted")))
    with pytest.warns(UserWarning, match="2 of 2 networks failed"):
        je.sweep({**settings, "depth": 1, "learning_rate": [1e-2, 1e20]}, tmp_path, seeds=1, workers=0)
    monkeypatch.undo()
    assert len(je.sweep({**settings, "depth": 1}, tmp_path, seeds=1, workers=0, retry=True)) == 1


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:1 of 1 networks failed")
def test_the_command_ends_with_3_where_networks_failed(toy_file, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "measured", lambda *_: (_ for _ in ()).throw(je.InputError("planted")))
    (tmp_path / "sweep.toml").write_text(f'dataset = "npz:{toy_file}"\ndepth = 1\nwidth = 8\nepochs = 1\nseeds = 1\n')
    with pytest.raises(SystemExit) as ended:
        main(["sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "out"), "--workers", "0"])
    assert ended.value.code == 3


@pytest.mark.thorough
def test_damaged_files_are_told_of(settings, done, tmp_path):
    said = []
    copied = je.load_sweep(shutil.copytree(done.store.folder, tmp_path / "out"))
    copied.store.path(copied.keys[0]).write_bytes(b"CDF")
    je.sweep(settings, tmp_path / "out", seeds=2, workers=0, say=said.append)
    assert "1 file of networks cannot be read, and will be made again" in said
    assert "3 of 4 networks are there; 1 to go in 1 job" in said


@pytest.mark.thorough
def test_pictures_of_an_earlier_page_go(done, tmp_path):
    (tmp_path / "memorisation.png").write_bytes(b"old")
    (tmp_path / "mine.png").write_bytes(b"another's")
    write_claims(done.to_dataset(), tmp_path)
    assert not (tmp_path / "memorisation.png").exists()
    assert (tmp_path / "mine.png").exists()
    with pytest.raises(je.InputError, match="is a file; give a folder"):
        write_claims(done.to_dataset(), tmp_path / "mine.png")
