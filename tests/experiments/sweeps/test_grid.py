"""Grids of settings, their keys, and what is refused."""

import dataclasses

import pytest

import jaxentropy as je
from jaxentropy.experiments.sweeps.engine import shard_of_environment, sweep
from jaxentropy.experiments.sweeps.grid import Network, networks_of, read_grid
from jaxentropy.experiments.sweeps.jobs import jobs_of
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
        ({}, 0, "the grid is empty: seeds"),
        ({"seed": [1]}, 1, "give seeds"),
        ({"depth": [1, 1]}, 1, "depth has 1 twice"),
        ({"depth": 0}, 1, "depth is 0; expected a whole number of 1 or more"),
        ({"depth": 1.5}, 1, "depth is 1.5; expected a whole number"),
        ({"width": True}, 1, "width is True; expected a whole number"),
        ({"learning_rate": 0.0}, 1, "learning_rate is 0.0; expected a number"),
        ({"label_noise": 1.5}, 1, "label_noise is 1.5"),
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
        ("seeds = 0", "seeds is 0"),
    ],
)
def test_refuses_files(text, message, tmp_path):
    path = tmp_path / "sweep.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(je.InputError, match=message):
        read_grid(path)


def test_shards_share_the_networks_and_find_themselves(tmp_path):
    networks = networks_of({"depth": [1, 2, 3], "width": [8, 16, 24]}, seeds=5)
    store = Store(tmp_path, networks, {"mnist5k": "data"})
    jobs = jobs_of(store, list(store.networks))
    parts = [[key for job in jobs[i::4] for key in job] for i in range(4)]
    assert sorted(key for part in parts for key in part) == sorted(store.networks)
    assert all(len({store.networks[key].shape for key in job}) == 1 for job in jobs)
    assert shard_of_environment({}) == (0, 1)
    slurm = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "8"}
    assert shard_of_environment(slurm) == (4, 8)
    assert shard_of_environment({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "4"}) == (3, 4)
    with pytest.raises(je.InputError, match="JOB_COMPLETION_INDEX is set, but not JOB_COMPLETIONS"):
        shard_of_environment({"JOB_COMPLETION_INDEX": "3"})
    for shard in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(je.InputError, match="expected i/n with i from 0"):
            sweep({}, tmp_path / "none", shard=shard)
    assert not (tmp_path / "none").exists()
