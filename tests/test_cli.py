"""The commands, as a user types them."""

import io
import os
import shutil
import subprocess
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy import cli, plots
from jaxentropy.experiments import pipeline as experiment
from tests.conftest import random_recording

SMALL = [
    "--widths",
    "12",
    "8",
    "--seeds",
    "2",
    "--epochs",
    "3",
    "--bootstrap",
    "50",
    "--batch-size",
    "16",
    "--draws",
    "0",
]


def command(capsys, *arguments) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a command."""
    try:
        cli.main([str(a) for a in arguments])
        status = 0
    except SystemExit as exit:
        status = int(exit.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def fails(capsys, *arguments) -> str:
    """The one line that a failing command prints."""
    status, out, err = command(capsys, *arguments)
    assert status == 2
    assert not out
    lines = [
        line for line in err.splitlines() if not line.startswith(("loading", "training", "recording", "profiling"))
    ]
    assert len(lines) == 1
    assert lines[0].startswith("jaxentropy: ")
    return lines[0]


@pytest.fixture(scope="module")
def finished(toy_file, tmp_path_factory):
    """A finished run of one small MLP."""
    out = tmp_path_factory.mktemp("run") / "mlp"
    cli.main(["run", "--dataset", f"npz:{toy_file}", "--model", "mlp", *SMALL, "--out", str(out)])
    return out


@pytest.fixture
def one_figure(monkeypatch):
    """One small figure in place of all: for tests of everything else."""

    def figures(profile, recordings, streamed=None, full=False, title=None):
        figure, ax = plt.subplots(figsize=(2, 1))
        ax.plot(profile.layer.values, np.arange(profile.sizes["layer"]))
        return {"patterns": figure}

    monkeypatch.setattr(plots, "figures", figures)


def fits_a_screen(printed: str, networks: int = 1) -> bool:
    """At most 25 lines a network of at most 100 columns; a folder's own name may be longer than any line."""
    lines = printed.splitlines()
    return len(lines) <= 25 * networks and all(len(line) <= 100 or "/" in line for line in lines)


def tree(folder) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "checkpoints" not in p.parts}


def test_run_writes_a_whole_folder(finished):
    figures = ("entropy-by-depth", "information-by-depth", "patterns", "firing-rates")
    assert tree(finished) == {
        "config.toml", "profile.nc", "summary.md",
        *(f"recordings/{kind}-seed{s:03d}.npz" for kind in ("trained", "untrained") for s in (0, 1)),
        *(f"figures/{name}.{suffix}" for name in figures for suffix in ("png",)),
    }  # fmt: skip
    assert (finished / "checkpoints").is_dir()
    profile = je.load_profile(finished / "profile.nc")
    assert dict(profile.sizes) == {
        "class": 3, "network": 3, "seed": 2, "layer": 2, "step": 1, "estimator": 3, "epoch": 3,
    }  # fmt: skip
    summary = (finished / "summary.md").read_text()
    assert "Does neuron entropy fall with depth?" in summary
    assert f"{float(profile.test_accuracy.isel(epoch=-1).mean()):.3f}" in summary
    for line in summary.splitlines():
        if line.startswith("!["):
            assert (finished / line.split("](")[1].rstrip(")")).exists()


def test_the_profile_is_that_of_the_recordings(finished):
    recordings = {
        kind: [je.Recording.load(finished / f"recordings/{kind}-seed{s:03d}.npz") for s in (0, 1)]
        for kind in ("trained", "untrained")
    }
    ours = je.profile(recordings, bootstrap=50, bounds=False)
    theirs = je.load_profile(finished / "profile.nc")
    xr.testing.assert_identical(
        theirs[list(ours.data_vars)].drop_vars("epoch", errors="ignore").drop_attrs(), ours.drop_attrs()
    )


@pytest.mark.usefixtures("one_figure")
def test_the_same_command_again_only_draws(finished, toy_file, tmp_path, capsys, monkeypatch):
    finished = shutil.copytree(finished, tmp_path / "copy")
    before = (finished / "profile.nc").read_bytes()
    (finished / "figures" / "patterns.png").unlink()
    monkeypatch.setattr(experiment, "train", lambda *a, **k: pytest.fail("trained again"))
    status, out, _ = command(capsys, "run", "--dataset", f"npz:{toy_file}", "--model", "mlp", *SMALL, "--out", finished)
    assert status == 0
    assert "\nClear: " in out
    assert (finished / "profile.nc").read_bytes() == before
    assert (finished / "figures" / "patterns.png").exists()


@pytest.mark.thorough
@pytest.mark.usefixtures("one_figure")
def test_same_seed_same_numbers_and_a_killed_run_goes_on(finished, toy_file, tmp_path, capsys, monkeypatch):
    """Killed while the third of four recordings is made, then typed again."""
    made = []
    real = experiment.record

    def dies_at_third(*args, **kwargs):
        made.append(kwargs["meta"])
        if len(made) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(experiment, "record", dies_at_third)
    arguments = ["run", "--dataset", f"npz:{toy_file}", "--model", "mlp", *SMALL, "--out", tmp_path / "r"]
    status, _, err = command(capsys, *arguments)
    assert status == 130
    assert "interrupted; the same command goes on where it was" in err
    assert not (tmp_path / "r" / "profile.nc").exists()
    status, _, _ = command(capsys, *arguments)
    assert status == 0
    assert len(made) == 5
    xr.testing.assert_identical(
        je.load_profile(tmp_path / "r" / "profile.nc"), je.load_profile(finished / "profile.nc")
    )


@pytest.mark.thorough
@pytest.mark.usefixtures("one_figure")
def test_a_sampled_task_is_a_sample(tmp_path, capsys):
    """Its training points are recorded, and no stream is drawn: points have no pixels to shift."""
    small = [*SMALL[:-1], "100"]
    status, out, _ = command(
        capsys, "run", "--dataset", "task:spirals:2", "--model", "mlp", *small, "--epochs", "1", "--out", tmp_path / "r"
    )
    assert status == 0
    found = je.load_profile(tmp_path / "r" / "profile.nc")
    assert found.attrs["population"] == "sample"
    assert int(found.n.sum()) == 4000
    assert "every input was listed" not in out
    assert not (tmp_path / "r" / "stream.nc").exists()
    assert "4000 points drawn to train" in (tmp_path / "r" / "summary.md").read_text()


def test_the_task_beside_several_networks_is_a_listed_one(tmp_path, capsys):
    for task in ("task:spirals:2", "task:sorting:3", "parity:4"):
        line = fails(capsys, "run", "--task", task, "--out", tmp_path / "r")
        assert f"'{task}' is no task of which every input is listed; give task:modular-addition:P, " in line
        assert "task:hierarchy:DEPTH, or none" in line


@pytest.mark.thorough
@pytest.mark.usefixtures("one_figure")
def test_two_models_and_a_task_make_three_folders(toy_file, tmp_path, capsys):
    status, out, _ = command(
        capsys, "run", "--dataset", f"npz:{toy_file}", *SMALL, "--channels", "4", "--task", "task:parity:4",
        "--out", tmp_path / "both",
    )  # fmt: skip
    assert status == 0
    assert (out.count("MLP ("), out.count("CNN (")) == (2, 1)
    assert fits_a_screen(out, networks=3)
    assert "Unknown: nothing of these networks: every input was listed, so all numbers are exact." in out
    exact = je.load_profile(tmp_path / "both" / "exact" / "profile.nc")
    assert exact.attrs["population"] == "enumeration"
    assert int(exact.n.sum()) == 16
    joined = (tmp_path / "both" / "summary.md").read_text()
    for model in ("mlp", "cnn", "exact"):
        assert (tmp_path / "both" / model / "profile.nc").exists()
        assert f"]({model}/figures/patterns.png)" in joined
        assert (tmp_path / "both" / model / "figures" / "patterns.png").exists()
    assert "](figures/entropy-by-depth.png)" in joined
    assert (tmp_path / "both" / "figures" / "entropy-by-depth.png").exists()
    status, again, _ = command(capsys, "report", tmp_path / "both")
    assert status == 0
    assert again == out


@pytest.mark.thorough
@pytest.mark.usefixtures("one_figure")
def test_a_stream_beside_the_images(toy_file, tmp_path, capsys):
    arguments = ["--model", "mlp", *SMALL, "--draws", "900", "--stream-classes", "2", "--out", tmp_path / "s"]
    status, out, err = command(capsys, "run", "--dataset", f"npz:{toy_file}", *arguments)
    assert status == 0
    assert "drawing 900 of npz:" in err
    assert "pattern, class 2, bits: trained" in out
    streamed = je.load_profile(tmp_path / "s" / "stream.nc")
    assert (streamed.n.values.tolist(), streamed["class"].values.tolist()) == ([900], ["2"])
    assert streamed.network.values.tolist() == ["trained", "untrained"]
    assert "Over a stream: npz:" in (tmp_path / "s" / "summary.md").read_text()
    assert not (tmp_path / "s" / "draws").exists()


def test_report_redraws_the_same(finished, capsys):
    before = {p.name: p.read_bytes() for p in (finished / "figures").glob("*.png")}
    for path in (finished / "figures").iterdir():
        path.unlink()
    status, out, _ = command(capsys, "report", finished)
    assert status == 0
    assert fits_a_screen(out)
    assert f"{float(je.load_profile(finished / 'profile.nc').test_accuracy.isel(epoch=-1).mean()):.3f}" in out
    assert out.split().count("Clear:") == out.split().count("Unknown:") == out.split().count("Next:") == 1
    assert {p.name: p.read_bytes() for p in (finished / "figures").glob("*.png")} == before


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_knows_no_arrows_is_no_error(finished, tmp_path, monkeypatch, encoding):
    """The same words and numbers, with arrows spelled out where there are none."""
    copy, written = shutil.copytree(finished, tmp_path / "copy"), io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    cli.main(["report", str(copy)])
    stream.flush()
    text = written.getvalue().decode(encoding)
    assert fits_a_screen(text)
    assert ("▸" in text) == (encoding == "utf-8")
    assert ("->" in text) == (encoding != "utf-8")
    assert "?" not in text


@pytest.fixture
def acts(tmp_path, monkeypatch):
    """Activations as another framework would write them, in the current folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 4
    fc1 = rng.normal(size=(300, 20)) + rng.normal(size=(4, 20))[labels]
    np.savez("acts.npz", labels=labels, fc1=fc1, fc2=np.maximum(fc1 @ rng.normal(size=(20, 6)), 0))
    return tmp_path / "acts.npz"


@pytest.mark.thorough
@pytest.mark.usefixtures("one_figure")
def test_analyze_activations_from_elsewhere(acts, tmp_path, capsys):
    status, out, _ = command(capsys, "analyze", "acts.npz")
    assert status == 0
    assert "acts.npz" in out
    profile = je.load_profile(tmp_path / "acts-profile" / "profile.nc")
    assert profile.network.values.tolist() == ["recorded", "shuffled"]
    assert profile.layer.values.tolist() == ["fc1", "fc2"]
    with np.load(acts) as file:
        expected = je.profile(
            {"recorded": je.Recording.from_activations({"fc1": file["fc1"], "fc2": file["fc2"]}, file["labels"])},
            estimators=("plugin",),
            bootstrap=0,
            shuffles=0,
        )
    for name in ("neuron_entropy", "pattern_upper"):
        np.testing.assert_array_equal(profile[name].sel(network=["recorded"]), expected[name])
    assert "Unknown: " in out
    assert fits_a_screen(out)
    assert "falls for certain" in (tmp_path / "acts-profile" / "summary.md").read_text()
    assert (tmp_path / "acts-profile" / "figures" / "patterns.png").exists()
    assert command(capsys, "analyze", "acts.npz")[0] == 0


@pytest.mark.usefixtures("one_figure")
def test_analyze_a_recording_and_a_single_layer(tmp_path, capsys):
    random_recording(0).save(tmp_path / "r.npz")
    assert (
        command(capsys, "analyze", tmp_path / "r.npz", "--out", tmp_path / "a", "--bootstrap", "50", "--no-bounds")[0]
        == 0
    )
    np.savez(tmp_path / "one.npz", labels=np.arange(90) % 3, only=np.random.default_rng(0).normal(size=(90, 5)))
    status, out, _ = command(capsys, "analyze", tmp_path / "one.npz", "--out", tmp_path / "b", "--no-bounds")
    assert status == 0
    assert "no step to judge" in out


@pytest.mark.usefixtures("one_figure")
def test_an_empty_class_is_a_note_and_no_crash(tmp_path, capsys):
    labels = np.where(np.arange(200) % 2, 2, 0)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", labels=labels, fc1=rng.normal(size=(200, 8)), fc2=rng.normal(size=(200, 8)))
    status, out, _ = command(
        capsys, "analyze", tmp_path / "a.npz", "--out", tmp_path / "o", "--bootstrap", "50", "--no-bounds"
    )
    assert status == 0
    assert "class 1: no input" in out
    assert je.load_profile(tmp_path / "o" / "profile.nc").neuron_entropy.sel({"class": "1"}).isnull().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--dataset", "minst"], "unknown data set 'minst'; choose from mnist5k"),
        (["run", "--model", "transformer"], "unknown model 'transformer'; choose from mlp, cnn"),
        (["run", "--activation", "swish"], "unknown activation 'swish'; choose from relu"),
        (["run", "--widths", "64", "0"], "widths are 64 0; expected numbers of 1 or more"),
        (["run", "--widths", "-5"], "widths are -5; expected numbers of 1 or more"),
        (["run", "--epochs", "-1"], "epochs is -1; expected 0 or more"),
        (["run", "--seeds", "0"], "seeds is 0; expected 1 or more"),
        (["run", "--learning-rate", "0"], "learning rate is 0.0; expected a positive number"),
        (["run", "--learning-rate", "inf"], "learning rate is inf; expected a positive number"),
        (["run", "--split", "dev"], "unknown split 'dev'; choose from train, test, all"),
        (["run", "--epochs", "many"], "Error parsing --epochs"),
        (["run", "--learningrate", "1"], "Unrecognized options: --learningrate"),
        (["frobnicate"], "(see `jaxentropy --help`)"),
        (["run", "--dataset", "npz:none.npz"], "no file none.npz"),
        (["run", "--dataset", "idx:none"], "no train-images-idx3-ubyte"),
        (["run", "--dataset", "folder:none"], "no folder none; expected DIR/CLASS/*.png"),
        (["run", "--dataset", "hdf5:none.h5"], "no file none.h5"),
        (["analyze", "none.npz"], "no file none.npz"),
        (["report", "none"], "none is not a jaxentropy results folder"),
    ],
)
def test_bad_arguments_give_one_line_and_nothing_half_written(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def save_npz(**arrays):
    np.savez("a.npz", **arrays)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"fc1": np.ones((4, 2))}, "a.npz has no labels, only fc1"),
        ({"labels": np.arange(4)}, "a.npz: a recording needs one or more layers"),
        ({"labels": np.arange(5), "fc1": np.ones((4, 2))}, "layer 'fc1' has shape [4, 2]; expected [5, neurons]"),
        ({"labels": np.arange(2), "fc1": np.array([[np.nan], [1]])}, "layer 'fc1': 1 of 2 activations are NaN"),
        ({"labels": np.arange(2), "fc1": np.array([[np.inf], [1]])}, "layer 'fc1': 1 of 2 activations are NaN"),
        ({"labels": np.array([0, -1]), "fc1": np.ones((2, 2))}, "labels run from -1"),
    ],
)
def test_unfit_activations_give_one_line(arrays, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_npz(**arrays)
    assert message in fails(capsys, "analyze", "a.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_labels_that_do_not_match_the_images(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_npz(images=np.random.default_rng(0).random((10, 8, 8)), labels=np.zeros(9, int))
    assert "10 images and labels int64[9]" in fails(capsys, "run", "--dataset", "npz:a.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_model_that_does_not_fit_the_images_writes_nothing(toy_file, tmp_path, capsys):
    message = fails(
        capsys, "run", "--dataset", f"npz:{toy_file}", "--channels", "4", "4", "4", "4", "--out", tmp_path / "o"
    )
    assert "is too small for another" in message
    assert not (tmp_path / "o").exists()


def test_folders_that_are_not_ours_are_left_alone(finished, toy_file, acts, tmp_path, capsys):
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter1.txt").write_text("precious")
    for arguments in (["run", "--dataset", f"npz:{toy_file}"], ["analyze", acts]):
        assert "is not a jaxentropy results folder; choose another with --out" in fails(
            capsys, *arguments, "--out", foreign
        )
    assert "is not a jaxentropy results folder" in fails(capsys, "run", "--out", acts)
    assert "is not a jaxentropy results folder" in fails(capsys, "report", foreign)
    assert tree(foreign) == {"chapter1.txt"}
    other = ["run", "--dataset", f"npz:{toy_file}", "--model", "mlp", *SMALL, "--seed", "7", "--out", finished]
    message = fails(capsys, *other)
    assert "holds a run with other settings (seed: 0, not 7)" in message


@pytest.mark.usefixtures("one_figure")
def test_a_half_written_file_of_a_killed_run_is_passed_over(finished, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / "recordings" / ".recorded.deadbeef.npz").write_bytes(b"half")
    assert command(capsys, "report", copy)[0] == 0


def test_analyze_does_not_overwrite_a_run(finished, acts, capsys):
    before = (finished / "profile.nc").read_bytes()
    assert "holds the results of `run`" in fails(capsys, "analyze", acts, "--out", finished)
    assert (finished / "profile.nc").read_bytes() == before


@pytest.mark.usefixtures("one_figure")
def test_changed_data_are_noticed(toy_file, tmp_path, capsys):
    data, out = tmp_path / "d.npz", tmp_path / "o"
    shutil.copy(toy_file, data)
    arguments = ["run", "--dataset", f"npz:{data}", "--model", "mlp", *SMALL, "--epochs", "0", "--out", out]
    assert command(capsys, *arguments)[0] == 0
    with np.load(toy_file) as file:
        np.savez(data, images=file["images"][:200], labels=file["labels"][:200])
    assert "has changed since the run" in fails(capsys, *arguments)


@pytest.mark.parametrize("name", ["profile.nc", "recordings/trained-seed000.npz"])
def test_truncated_results_give_one_line(finished, tmp_path, capsys, name):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    path = copy / name
    path.write_bytes(path.read_bytes()[:300])
    assert "is damaged or not a" in fails(capsys, "report", copy)


def test_diverged_training_names_the_layer(toy_file, tmp_path, capsys):
    arguments = ["run", "--dataset", f"npz:{toy_file}", "--model", "mlp", *SMALL, "--learning-rate", "1e38"]
    message = fails(capsys, *arguments, "--out", tmp_path / "o")
    assert "layer 'fc1'" in message
    assert "NaN or infinite" in message


def test_unexpected_errors_are_one_line_too_and_debug_shows_where(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(experiment, "run", lambda *a, **k: 1 / 0)
    assert "unexpected ZeroDivisionError: division by zero (--debug shows where)" in fails(capsys, "run")
    with pytest.raises(ZeroDivisionError):
        cli.main(["run", "--debug"])
    with pytest.raises(je.InputError):
        cli.main(["report", str(tmp_path), "--debug"])


@pytest.mark.parametrize(("arguments", "shown"), [
    ([], "analyze acts.npz"),
    (["--help"], "analyze"),
    (["run", "--help"], "--widths"),
    (["analyze", "--help"], "np.savez"),
    (["report", "--help"], "results folder"),
])  # fmt: skip
def test_help_teaches(arguments, shown, capsys):
    status, out, _ = command(capsys, *arguments)
    assert status == 0
    assert shown in out
    assert not arguments[:-1] or "Try:" in out


@pytest.mark.programs
def test_the_installed_command_and_what_importing_costs():
    """The public face imports no Flax, no matplotlib, no data set library; the command exits 2 without a traceback."""
    code = (
        "import sys, jaxentropy; print([m for m in ('flax', 'optax', 'orbax', 'matplotlib', 'mlxtend', 'tyro', "
        "'tensorflow_datasets') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
    program = [sys.executable, "-c", "from jaxentropy.cli import main; main()", "report", "/nowhere"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("one_figure")
def test_layers_in_alphabetical_order_are_warned_of_in_one_line(tmp_path, monkeypatch, capsys, rng):
    monkeypatch.chdir(tmp_path)
    arrays = {name: rng.normal(size=(40, 4)) for name in ("body", "head", "stem")}
    np.savez("acts.npz", labels=np.arange(40) % 2, **arrays)  # pyright: ignore[reportArgumentType]
    settings = ["--no-bounds", "--bootstrap", "50"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        cli.main(["analyze", "acts.npz", *settings])
    warned = [line for line in capsys.readouterr().err.splitlines() if "alphabetical" in line]
    assert len(warned) == 1
    assert warned[0].startswith("jaxentropy: warning: the layers body, head, stem are in alphabetical order")
    cli.main(["analyze", "acts.npz", "--layers", "stem", "body", "head", "--out", "ordered", *settings])
    assert je.load_profile("ordered/profile.nc").layer.values.tolist() == ["stem", "body", "head"]
