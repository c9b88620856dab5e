"""Grids of settings, their keys, and what is refused."""

import dataclasses
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.experiments.sweeps.engine import _on_processes, _warn_of_failures, _watch, sweep
from jaxentropy.experiments.sweeps.grid import Network, networks_of, read_grid, seed_numbers
from jaxentropy.experiments.sweeps.jobs import Outcome, checked_shard, jobs_of, shard_of_environment, share_of
from jaxentropy.experiments.sweeps.store import Store


def test_a_grid_is_every_combination_once():
    settings = {"depth": [1, 2, 3], "activation": ["relu", "tanh"], "width": 16}
    networks = networks_of(settings, seeds=2)
    assert len(set(networks)) == len(networks) == 12
    assert {(n.depth, n.activation, n.width, n.seed) for n in networks} == {
        (d, a, 16, s) for d in (1, 2, 3) for a in ("relu", "tanh") for s in (0, 1)
    }
    assert {n.seed for n in networks_of({}, seeds=(3, 8))} == {3, 8}


def test_keys_tell_settings_and_data_apart_and_configurations_leave_the_seed_out():
    one = Network()
    others = [dataclasses.replace(one, **{name: value}) for name, value in (
        ("depth", 5), ("learning_rate", 2e-3), ("seed", 1), ("dataset", "fashion-mnist"), ("label_noise", 0.1),
    )]  # fmt: skip
    keys = {network.key("data") for network in [one, *others]} | {one.key("other data")}
    assert len(keys) == len(others) + 2
    assert one.key("data") == dataclasses.replace(one).key("data")
    [whole], [real] = (networks_of({"learning_rate": rate}, seeds=1) for rate in (1, 1.0))
    assert whole.key("d") == real.key("d")
    assert one.configuration == dataclasses.replace(one, seed=7).configuration
    assert one.configuration != others[0].configuration


@pytest.mark.parametrize(
    ("settings", "seeds", "message"),
    [
        ({"depht": 2}, 1, "unknown setting 'depht'; did you mean depth"),
        ({"colour": 2}, 1, "unknown setting 'colour'; there are dataset, depth"),
        ({"depth": []}, 1, "the grid is empty: depth"),
        ({}, 0, "seeds is 0; expected how many, a whole number of 1 or more, or which"),
        ({}, [], "the grid is empty: seeds"),
        ({}, -2, "seeds is -2; expected how many"),
        ({}, True, "seeds is True; expected how many"),
        ({}, [0, -1], r"seeds is \[0, -1\]; expected how many"),
        ({}, [3, 3], "seeds has 3 twice"),
        ({"seed": [1]}, 1, "give seeds"),
        ({"seeds": 2}, 1, "seeds is no setting of the grid; give seeds=3, their number, as an argument"),
        ({"depth": [1, 1]}, 1, "depth has 1 twice"),
        ({"depth": 0}, 1, "depth is 0; expected a whole number of 1 or more"),
        ({"depth": 1.5}, 1, "depth is 1.5; expected a whole number"),
        ({"width": True}, 1, "width is True; expected a whole number"),
        ({"depth": {"from": 1}}, 1, "depth is {'from': 1}; expected a whole number"),
        ({"depth": [[1, 2]]}, 1, r"depth is \[1, 2\]; expected a whole number"),
        ({"learning_rate": 0.0}, 1, "learning_rate is 0.0; expected a finite number above 0"),
        ({"weight_decay": float("inf")}, 1, "weight_decay is inf; expected a finite number of 0 or more"),
        ({"dropout": 1.0}, 1, "dropout is 1.0; expected a finite number from 0 to below 1"),
        ({"label_noise": 1.5}, 1, "label_noise is 1.5; expected a finite number from 0 to 1"),
        ({"activation": "step"}, 1, "unknown activation 'step'; choose from relu"),
        ({"norm": "group"}, 1, "unknown norm 'group'"),
        ({"dataset": 5}, 1, "dataset is 5; expected a name"),
        ({"depth": list(range(1, 101)), "width": list(range(1, 31))}, 4, "12,000 networks, more than max_networks"),
    ],
)
def test_refuses(settings, seeds, message, tmp_path):
    with pytest.raises(je.InputError, match=message):
        sweep(settings, tmp_path / "out", seeds=seeds)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no file .*; write one, for example"),
        ("depth = ", "cannot be read as TOML"),
        ("[grid]\ndepth = 1", r"has a table \[grid\]"),
        ("seeds = 0", "sweep.toml: seeds is 0"),
        ('seeds = "3"', "sweep.toml: seeds is '3'; expected how many"),
    ],
)
def test_refuses_files(text, message, tmp_path):
    path = tmp_path / "sweep.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(je.InputError, match=message):
        read_grid(path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(je.InputError, match=r"is a folder; give the file of the grid, such as .*sweep\.toml") as raised:
        read_grid(tmp_path)
    assert "Errno" not in str(raised.value)


def test_values_may_be_of_any_kind_that_can_be_gone_through():
    expected = networks_of({"depth": [1, 2], "learning_rate": [0.5, 0.25], "width": 8}, seeds=[0, 1])
    settings = {"depth": range(1, 3), "learning_rate": np.array([0.5, 0.25]), "width": np.int64(8)}
    assert networks_of(settings, seeds=range(2)) == expected
    settings = {"depth": (d for d in (1, 2)), "learning_rate": [np.float32(0.5), 0.25], "width": np.array([8])}
    assert networks_of(settings, seeds=(s for s in (0, 1))) == expected
    assert list(seed_numbers(np.arange(2))) == list(seed_numbers(np.int64(2))) == [0, 1]
    with pytest.raises(je.InputError, match="seeds is '3'; expected how many"):
        seed_numbers("3")
    assert all(type(one.depth) is int and type(one.learning_rate) is float for one in expected)


def test_what_is_done_with_a_sweep_in_parts_and_by_how_many_is_checked_before_anything_is_written(tmp_path):
    for shard in ("0", "a/b", "-1/2", (0, 2, 4)):
        with pytest.raises(je.InputError, match="expected i/n, for example 0/4"):
            checked_shard(shard)
    assert checked_shard("0/2") == checked_shard(" 0 / 2 ") == (0, 2)
    with pytest.raises(je.InputError, match="workers is -1; expected a number of processes of 1 or more, or 0"):
        sweep({}, tmp_path / "none", workers=-1)
    with pytest.raises(je.InputError, match=r"no file sweep\.toml; write one"):
        sweep("sweep.toml", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def store_of(folder, settings, seeds) -> Store:
    return Store(folder, networks_of(settings, seeds), {"mnist5k": "data"})


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 7, 16, 50])
@pytest.mark.parametrize(
    ("settings", "seeds"),
    [({}, 12), ({"depth": [1, 2, 4, 8], "activation": ["relu", "tanh"]}, 4), ({"width": [8, 16, 24]}, 1)],
)
def test_shards_have_as_many_networks_each(settings, seeds, parts, tmp_path):
    store = store_of(tmp_path, settings, seeds)
    shares = [share_of(store, part, parts) for part in range(parts)]
    assert sorted(key for share in shares for key in share) == sorted(store.networks)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_shards_mix_configurations(tmp_path):
    store = store_of(tmp_path, {"depth": [1, 2, 4, 8], "width": [16, 64], "activation": ["relu", "tanh"]}, 4)
    for part in range(2):
        share = [store.networks[key] for key in share_of(store, part, 2)]
        assert {network.activation for network in share} == {"relu", "tanh"}
        assert {network.depth for network in share} == {1, 2, 4, 8}
        # and what has one shape stays together, as far as it goes
        assert len({network.shape for network in share}) == 8


def test_jobs_are_enough_for_all_workers(tmp_path):
    one_shape = store_of(tmp_path, {}, 12)
    keys = list(one_shape.networks)
    assert [len(job) for job in jobs_of(one_shape, keys)] == [6, 6]
    assert [len(job) for job in jobs_of(one_shape, keys, 4)] == [3, 3, 3, 3]
    assert [len(job) for job in jobs_of(one_shape, keys, 50)] == [1] * 12
    many = store_of(tmp_path, {"depth": [1, 2, 3]}, 8)
    assert [len(job) for job in jobs_of(many, list(many.networks), 2)] == [8, 8, 8]


def slurm(index, count, least, most, step) -> dict[str, str]:
    names = ("ID", "COUNT", "MIN", "MAX", "STEP")
    return {
        f"SLURM_ARRAY_TASK_{name}": str(value)
        for name, value in zip(names, (index, count, least, most, step), strict=True)
    }


def test_slurm_arrays_say_the_shard_where_they_are_a_range():
    assert [shard_of_environment(slurm(i, 5, 0, 8, 2)) for i in range(0, 9, 2)] == [(i, 5) for i in range(5)]
    assert shard_of_environment(slurm(7, 3, 1, 7, 3)) == (2, 3)
    assert shard_of_environment(slurm(4, 2, 1, 5, 3)) == (1, 2)  # --array=1-5:3
    for i in (3, 7, 9):  # --array=3,7,9
        with pytest.raises(je.InputError, match=r"SLURM_ARRAY_TASK_ID \d.* an array must be a range.*--shard i/n"):
            shard_of_environment(slurm(i, 3, 3, 9, 1))
    with pytest.raises(je.InputError, match="SLURM_ARRAY_TASK_STEP is 'two'; expected a whole number"):
        shard_of_environment(slurm(4, 5, 0, 8, "two"))
    with pytest.raises(je.InputError, match="JOB_COMPLETIONS is ''; expected a whole number"):
        shard_of_environment({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": ""})


def test_an_empty_shard_is_said_to_be_empty(tmp_path, toy_file):
    said: list[str] = []
    settings = {"dataset": f"npz:{toy_file}", "depth": 1}
    sweep(settings, tmp_path / "out", seeds=2, shard="2/3", workers=0, say=said.append)
    assert any("shard 2/3 is empty: the sweep has only 2 networks" in line for line in said)


def test_how_far_a_sweep_is_is_said_now_and_then(monkeypatch):
    """At most every ten seconds, at tenths; or after a minute."""
    clock = [0.0]
    monkeypatch.setattr("jaxentropy.experiments.sweeps.engine.time.monotonic", lambda: clock[0])

    def outcomes(pauses):
        for i, pause in enumerate(pauses):
            clock[0] += pause
            yield [Outcome(str(i), "broken" if i == 0 else "")] if pause < 100 else []

    def told(pauses, progress=False) -> list[str]:
        said: list[str] = []
        _watch(outcomes(pauses), len(pauses), progress, said.append)
        return said

    assert told([1.0] * 8) == []
    assert told([30.0] * 4) == [f"{i} of 4 networks done, 1 of them failed; about {t} left" for i, t in (
        (1, "2 minutes"), (2, "a minute"), (3, "a minute"),
    )]  # fmt: skip
    assert told([100.0, 1.0]) == ["0 of 2 networks done, 0 of them failed"]  # at work, but nothing is done
    assert len(told([1.0] * 400)) == 9
    assert len(told([61.0] * 1000)) < 150
    assert told([30.0] * 4, progress=True) == []


def test_a_network_that_kills_its_process_is_the_only_one_that_fails(tmp_path, monkeypatch):
    """Of those that were under way with it, none is blamed."""
    store = store_of(tmp_path, {"depth": [1, 2, 3]}, 4)
    jobs = jobs_of(store, list(store.networks), 3)
    killer = jobs[1][2]

    class Pool:
        def submit(self, run, store, job):
            future = Future()
            if killer in job:
                future.set_exception(BrokenProcessPool())
            else:
                future.set_result([Outcome(key, "") for key in job])
            return future

    @contextmanager
    def processes(workers):
        yield Pool()

    monkeypatch.setattr("jaxentropy.experiments.sweeps.engine._processes", processes)
    outcomes = [outcome for made in _on_processes(store, jobs, 3) for outcome in made]
    assert sorted(outcome.key for outcome in outcomes) == sorted(store.networks)
    assert [outcome.key for outcome in outcomes if outcome.reason] == [killer]
    assert list(store.failures()) == [killer]


def test_the_warning_of_failures_says_what_sets_them_apart(tmp_path):
    store = store_of(tmp_path, {"init_scale": [1.0, 1e30], "width": 8, "epochs": 3}, 2)
    broken = [key for key, network in store.networks.items() if network.init_scale > 1]
    store.save_failure(broken[0], "its loss is nan")
    before = store.failures()
    store.save_failure(broken[1], "its loss is nan")
    with pytest.warns(UserWarning, match="2 of 4 networks failed") as warned:
        _warn_of_failures(store, before)
    assert str(warned[0].message) == (
        "2 of 4 networks failed (1 of them before this run, and not tried again), for example init_scale 1e+30, "
        "seed 1: its loss is nan. To try them again, give retry=True, or --retry"
    )
    with pytest.warns(UserWarning, match="2 of 4 networks failed, for example init_scale 1e"):
        _warn_of_failures(store, {})


def test_jobs_are_of_one_shape_and_shards_find_themselves(tmp_path):
    store = store_of(tmp_path, {"depth": [1, 2, 3], "width": [8, 16, 24]}, 5)
    jobs = jobs_of(store, list(store.networks))
    assert all(len({store.networks[key].shape for key in job}) == 1 for job in jobs)
    assert shard_of_environment({}) == (0, 1)
    variables = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "8"}
    assert shard_of_environment(variables) == (4, 8)
    assert shard_of_environment({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "4"}) == (3, 4)
    with pytest.raises(je.InputError, match="JOB_COMPLETION_INDEX is set, but not JOB_COMPLETIONS"):
        shard_of_environment({"JOB_COMPLETION_INDEX": "3"})
    for shard in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(je.InputError, match="expected i/n with i from 0"):
            sweep({}, tmp_path / "none", shard=shard)
    assert not (tmp_path / "none").exists()
