"""The benchmark suite runs, checks that all ways agree, and judges its targets by what it measured."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.programs
def test_a_quick_run_measures_everything_and_judges_itself(tmp_path):
    out, figure = tmp_path / "quick.json", tmp_path / "quick.png"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--peers", "numpy", "--out", out, "--figure", figure]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert figure.stat().st_size > 10_000
    found = json.loads(out.read_text())
    assert found["hardware"]["cores"] >= 1
    assert {"python", "jax", "jaxlib", "numpy", "torch"} <= set(found["versions"])
    sections = found["sections"]
    assert list(sections) == [
        "kernel",
        "alternatives",
        "overhead",
        "growth",
        "stream",
        "draws",
        "monitor",
        "training",
        "compile",
        "import",
    ]
    agree = sections["kernel"]["agree"]
    assert "NumPy np.unique(axis=0)" in agree
    assert all(agree.values())
    seconds = sections["kernel"]["seconds"]
    assert set(agree) < set(seconds)
    assert all(math.isfinite(s) and s > 0 for way in seconds.values() for s in way)
    for section in sections.values():
        assert section["targets"]
        for target in section["targets"]:
            reached, limit = target["reached"], target["limit"]
            if limit is None:
                assert target["verdict"] is None
            else:
                met = reached <= limit if target["at_most"] else reached >= limit
                assert target["verdict"] == ("met" if met else "missed")
                assert f"- {target['verdict']}: {target['name']}" in run.stdout
