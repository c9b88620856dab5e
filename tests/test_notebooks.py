"""The notebooks run from top to bottom, and carry no stored output."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
SHORTER = {
    "02-exact-and-streamed": {
        "prime, steps = 59, 2000": "prime, steps = 11, 40",
        "Recipe(epochs=15)": "Recipe(epochs=1)",
        # all of one size, so that few programs compile; and of so few recorded draws no models are fitted
        "most, recorded = 500_000, 40_000": "most, recorded = 11, 11",
        "numbers = [20_000, 100_000]": "numbers = [11, 11]",
    }
}
"""Settings that the suite replaces, by notebook; with ``pytest -m slow`` these run as they stand too."""


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """Runs a notebook, with settings replaced; gives what it printed, and the number of its pictures."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))

    def run(path: Path, replaced: dict[str, str]) -> tuple[str, int]:
        notebook = nbformat.read(path, as_version=4)
        assert all(not cell.get("outputs") for cell in notebook.cells)
        for setting, shorter in replaced.items():
            [cell] = [c for c in notebook.cells if setting in c.source]
            cell.source = cell.source.replace(setting, shorter)
        NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
        kept = os.environ.get("JAXENTROPY_KEEP_NOTEBOOKS")
        if kept:
            nbformat.write(notebook, Path(kept) / path.name)
        outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
        said = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
        return said, sum("image/png" in o.get("data", {}) for o in outputs)

    return run


@pytest.mark.programs
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path, executed):
    said, pictures = executed(path, SHORTER.get(path.stem, {}))
    assert pictures >= 3
    assert "Does neuron entropy fall with depth?" in said


@pytest.mark.slow
def test_the_second_notebook_shows_what_it_says(executed):
    """Entropy is least while most test pairs are wrong, nearly all are right in the end; and brackets part."""
    [path] = [p for p in NOTEBOOKS if p.stem == "02-exact-and-streamed"]
    said, _ = executed(path, {})
    [accuracies] = re.findall(r"accuracy at the end: train ([\d.]+), test ([\d.]+)", said)
    assert min(map(float, accuracies)) > 0.9
    learnt, general = map(int, re.findall(r"above [\d.]+ % at step (\d+)", said))
    assert general >= 3 * learnt > 0
    at_least = re.findall(r"least pattern entropy at step \d+, test accuracy there ([\d.]+)", said)
    assert len(at_least) == 2
    assert all(float(accuracy) < 0.5 for accuracy in at_least)
    assert "he joint pattern's entropy falls for certain from fc1 to fc6" in said
    [draws] = re.findall(r"stopped after (\d+) of 1000000 draws", said)
    assert int(draws) < 1_000_000


def test_there_are_notebooks():
    assert NOTEBOOKS
