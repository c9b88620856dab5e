"""More seeds in a folder that holds a run already: only those that are missing are trained."""

import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr
from PIL import Image

import jaxentropy as je
from jaxentropy.experiments import pipeline
from jaxentropy.experiments.config import Config
from jaxentropy.experiments.pipeline import run
from jaxentropy.networks import training
from jaxentropy.networks.models import MLP
from jaxentropy.reports.folder import claim, read_config
from jaxentropy.reports.summary import summary
from tests.conftest import toy_images


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A small run of 1 seed, on folders of images."""
    folder = tmp_path_factory.mktemp("images")
    images, labels = toy_images(90, np.random.default_rng(3))
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / "abc"[label]).mkdir(exist_ok=True)
        pixels = np.clip(128 + 20 * image, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "abc"[label] / f"{i:02d}.png")
    return Config(f"folder:{folder}", ("mlp",), widths=(7,), epochs=1, batch_size=16, bootstrap=0, draws=0, seeds=1)


@pytest.fixture
def trained(monkeypatch):
    """Grows with (seed, epoch) of each epoch that is trained."""
    made, order = [], training._order

    def noted(seed, epoch, n):
        made.append((seed, epoch))
        return order(seed, epoch, n)

    monkeypatch.setattr(training, "_order", noted)
    return made


def contents(folder, pattern):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob(pattern)}


@pytest.mark.thorough
def test_missing_seeds_are_trained_and_the_results_are_those_of_one_run(config, tmp_path, trained):
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    run(config, grown)
    before = contents(grown, "*-seed*.npz")
    assert trained == [(0, 0)]
    trained.clear()
    more = dataclasses.replace(config, seeds=2)
    found = run(more, grown)["mlp"]
    assert trained == [(1, 0)]
    assert before.items() <= contents(grown, "*-seed*.npz").items()
    assert read_config(grown)["seeds"] == 2
    expected = run(more, whole)["mlp"]
    xr.testing.assert_identical(found, expected)
    xr.testing.assert_identical(*(je.load_profile(folder / "profile.nc") for folder in (grown, whole)))
    assert contents(grown, "*-seed*.npz") == contents(whole, "*-seed*.npz")

    trained.clear()
    xr.testing.assert_identical(run(more, grown)["mlp"], expected)  # read, not made
    with pytest.raises(je.InputError, match="holds a run with 2 seeds, not 1; give 2 or more, choose another --out"):
        run(config, grown)
    with pytest.raises(je.InputError, match=r"other settings \(epochs: 1, not 3\)"):
        run(dataclasses.replace(more, seeds=4, epochs=3), grown)
    assert not trained

    # what was done to the images stands with the results
    data = je.datasets.load(config.dataset)
    assert expected.attrs.items() >= data.preparation().items()
    assert f"Pixels minus {data.pixel_mean:.6g}, divided by {data.pixel_scale:.6g}; the split: a fifth" in summary(
        je.load_profile(grown / "profile.nc")
    )


def test_networks_side_by_side_grow_too(config, tmp_path, monkeypatch):
    """Seeds that are a model's default count as if they had been given."""

    def part(config, data, folder, progress, say):
        claim(folder, "run", dataclasses.asdict(config) | {"data": data.digest()})
        return xr.Dataset(attrs={"seeds": config.seeds})

    monkeypatch.setattr(pipeline, "_part", part)
    both = dataclasses.replace(config, model=("mlp", "cnn"), channels=(2,), seeds=None, task="none")
    out = tmp_path / "both"
    assert {name: one.attrs["seeds"] for name, one in run(both, out).items()} == {"mlp": 5, "cnn": 3}
    more = dataclasses.replace(both, seeds=5)
    assert {name: one.attrs["seeds"] for name, one in run(more, out).items()} == {"mlp": 5, "cnn": 5}
    with pytest.raises(je.InputError, match=r"cnn holds a run with 5 seeds, not 3"):
        run(both, out)


@pytest.mark.thorough
def test_a_seed_does_not_depend_on_those_beside_it(toy):
    model, recipe = MLP((100, 37), 3), training.Recipe(epochs=1, batch_size=16)
    several = training.train(model, toy, (0, 1, 2), recipe)
    alone = training.train(model, toy, (1,), recipe)
    jax.tree.map(np.testing.assert_array_equal, several.of_seed(1), alone.of_seed(0))
    np.testing.assert_array_equal(several.loss[1], alone.loss[0])
