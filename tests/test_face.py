"""What a user finds at first sight: names, versions, one number, short descriptions."""

import importlib
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import version
from types import ModuleType

import numpy as np
import pytest

import jaxentropy as je
from tests.conftest import random_recording


@pytest.fixture(scope="module")
def profile():
    return je.profile({"trained": [random_recording(0), random_recording(1)]}, bootstrap=50, bounds=False)


def test_dir_shows_public_names_only():
    assert set(dir(je)) == {*je.__all__, "capture", "datasets", "plots", "sweep", "load_sweep", "__version__"}
    for name in dir(je):
        assert getattr(je, name) is not None
    assert je.__version__ == version("jaxentropy")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        je.nonsense  # noqa: B018


def test_no_module_is_hidden_by_a_function_of_its_name():
    for info in pkgutil.walk_packages(je.__path__, "jaxentropy."):
        importlib.import_module(info.name)
        package, _, name = info.name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(package), name), ModuleType), info.name


@pytest.mark.programs
def test_importing_is_light_and_the_rest_is_found_when_used():
    code = (
        "import sys, jaxentropy as je\n"
        "heavy = {'flax', 'matplotlib', 'tensorflow_datasets', 'mlxtend', 'optax', 'tyro'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "je.plots.entropy_by_depth, je.capture.sown, je.datasets.load"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_number(profile):
    number = je.value(profile, "neuron_entropy", layer="fc2", label=1, network="trained", seed=1)
    assert number == float(profile.neuron_entropy.sel(layer="fc2", network="trained", seed=1)[1])
    assert number == je.value(profile, "neuron_entropy", layer="fc2", label="1", network="trained", seed="1")
    assert je.value(profile, "n", label=2) == 30


@pytest.mark.parametrize(
    ("quantity", "where", "message"),
    [
        ("entropy", {}, "the profile has no 'entropy'; it has n, neuron_entropy"),
        ("n", {"label": 7}, "no class 7; choose from 0, 1, 2"),
        ("n", {"layer": "fc1"}, "n has no dimension 'layer', only class"),
        ("neuron_entropy", {"layer": "fc9"}, "no layer 'fc9'; choose from fc1, fc2, fc3"),
        (
            "neuron_entropy",
            {"layer": "fc1", "network": "trained", "seed": 0},
            "for each class; choose one with label=…",
        ),
    ],
)
def test_one_number_that_cannot_be_given(profile, quantity, where, message):
    with pytest.raises(je.InputError, match=re.escape(message)):
        je.value(profile, quantity, **where)


def test_classes_by_name_or_number():
    recording = random_recording(0)
    named = je.Recording(recording.layers, recording.widths, recording.words, recording.labels, ("7", "cat", "0"))
    assert [named.class_index(label) for label in (7, "7", "cat", 0, "0", 1)] == [0, 0, 1, 2, 2, 1]
    with pytest.raises(je.InputError, match="no class 'dog'; choose from 7, cat, 0"):
        named.class_index("dog")
    drawn = (je.plots.patterns(named, layer="fc1", label=label).images[0].get_array() for label in (7, "7"))
    np.testing.assert_array_equal(*drawn)


def test_short_descriptions(profile):
    recording = random_recording(0)
    assert repr(recording) == "Recording(90 inputs, 3 classes; neurons: fc1 5, fc2 40, fc3 33)"
    assert repr(je.Tally.of(recording)) == repr(recording).replace("Recording", "Tally")
    assert recording._repr_html_() == f"<code>{recording!r}</code>"
    verdict = je.verdict(profile)
    assert verdict._repr_markdown_().startswith(verdict.headline.splitlines()[0])
    assert repr(verdict).startswith("Verdict(monotone fall of neuron entropy, classes; trained: ")
    assert len(repr(verdict)) < 120
