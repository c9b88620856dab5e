"""Sweeps on processes: of a script, and killed at random moments: all, one of two shards, one of two workers."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import xarray as xr

import jaxentropy as je

pytestmark = pytest.mark.programs
GRID = "depth = [1, 2]\nwidth = [8, 12, 16]\nepochs = 2\nbatch_size = 16\nseeds = 2\n"
COMMAND = [str(Path(sys.executable).with_name("jaxentropy")), "sweep", "sweep.toml"]
QUICK = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
TIMED = ("forward_seconds",)


@pytest.fixture
def place(tmp_path, toy_file, monkeypatch):
    """A folder with a grid; compiled programs are kept in it, so that a killed sweep's next start is quick."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "sweep.toml").write_text(f'dataset = "npz:{toy_file}"\n{GRID}')
    return tmp_path


def begun(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finished(*arguments: str) -> None:
    with begun(*arguments) as process:
        assert process.wait(timeout=120) == 0, process.stderr and process.stderr.read()


def contents(folder: str) -> dict[str, xr.Dataset]:
    results = je.load_sweep(folder)
    assert len(results) == 12
    written = {path.name for path in Path(folder, "networks").iterdir() if not path.name.startswith(".")}
    assert written == {f"{key}.nc" for key in results.keys}
    return {key: results.profile(key).drop_vars(TIMED) for key in results.keys}


def assert_same(folder: str, expected: str) -> None:
    found = contents(folder)
    for key, one in contents(expected).items():
        xr.testing.assert_identical(found[key], one)


def test_killed_at_ten_random_moments(place):
    finished("--out", "whole", "--workers", "0")
    chance = random.Random(20191123)
    for _ in range(10):
        with begun("--out", "killed", "--workers", "0") as process:
            try:
                process.wait(timeout=chance.uniform(2.0, 8.0))
            except subprocess.TimeoutExpired:
                process.kill()
    finished("--out", "killed", "--workers", "0")
    assert_same("killed", "whole")


def test_one_of_two_shards_is_killed(place):
    first, second = ("--out", "shards", "--workers", "0", "--shard", "0/2"), ("--out", "shards", "--shard", "1/2")
    with begun(*first) as victim, begun(*second, "--workers", "0") as other:
        time.sleep(7)
        victim.kill()
        assert other.wait(timeout=120) == 0
    finished(*first)
    finished("--out", "whole", "--workers", "2")
    assert_same("shards", "whole")


def test_one_of_two_dask_workers_is_killed(place, toy_file):
    distributed = pytest.importorskip("distributed")
    settings = {"dataset": f"npz:{toy_file}", "depth": [1, 2], "width": [8, 12, 16], "epochs": 2, "batch_size": 16}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = client.submit(os.getpid, workers=[next(iter(cluster.scheduler_info["workers"]))]).result()
        killed = threading.Event()

        def kill() -> None:
            while not list(Path("dask", "networks").glob("*.nc")):
                time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            killed.set()

        threading.Thread(target=kill, daemon=True).start()
        with client.get_executor(retries=2) as executor:
            je.sweep(settings, "dask", seeds=2, executor=executor)
        assert killed.is_set()
    finished("--out", "whole", "--workers", "2")
    assert_same("dask", "whole")


def children(parent: int) -> list[int]:
    """The processes that a sweep started to work for it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            begun_by = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if begun_by == parent and b"popen_loky" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, ValueError):  # it has ended meanwhile
            continue
    return found


def test_one_of_two_processes_is_killed(place):
    """The sweep begins new ones, and makes again what the killed one had begun; nothing is lost."""
    with begun("--out", "processes", "--workers", "2") as sweep:
        while not list(Path("processes", "networks").glob("*.nc")):
            assert sweep.poll() is None
            time.sleep(0.05)
        os.kill(children(sweep.pid)[0], signal.SIGKILL)
        assert sweep.wait(timeout=120) == 0
    finished("--out", "whole", "--workers", "0")
    assert_same("processes", "whole")


SCRIPT = """
import jaxentropy as je

print("this script runs")
results = je.sweep({"dataset": "npz:%s", "depth": [1, 2], "width": 8, "epochs": 1}, "out", seeds=1, workers=2)
print(len(results), len(results.failed))
"""


def test_a_script_needs_no_guard(place, toy_file):
    """Its processes do not run it again, and it leaves nothing to be cleaned up after it."""
    (place / "script.py").write_text(SCRIPT % toy_file)
    ended = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=120)
    assert ended.stdout.splitlines() == ["this script runs", "2 0"], ended.stderr
    assert ended.stderr == ""


@pytest.mark.parametrize(("count", "later"), [(1, 0.0), (2, 0.0), (2, 0.2), (2, 2.0)])
def test_after_an_interrupt_no_process_is_left(place, count, later):
    """Nor are there tracebacks of theirs, or semaphores that nobody frees: not even of those that are being begun."""
    with subprocess.Popen(
        [*COMMAND, "--out", "out", "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as sweep:
        while len(begun_by_it := children(sweep.pid)) < count:
            assert sweep.poll() is None
            time.sleep(0.01)
        time.sleep(later)
        os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does
        assert sweep.wait(timeout=20) == 130
        written = sweep.stderr.read() if sweep.stderr else ""
    assert written.rstrip().endswith("interrupted; the same command goes on where it was")
    assert "semlock" not in written
    assert "failed with traceback" not in written
    time.sleep(2)
    assert not [pid for pid in begun_by_it if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return (Path("/proc", str(pid)) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_reader_that_has_had_enough_is_no_error(place):
    """What is written to a closed pipe is dropped, as `head` wants it."""
    finished("--out", "short", "--workers", "0")
    command = [COMMAND[0], "claims", "short"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141
    assert "BrokenPipe" not in said
