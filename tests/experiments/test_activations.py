"""Files of activations from elsewhere: .npz and HDF5, of a network and of it beside its untrained twin."""

import re
import tracemalloc
import warnings
from typing import Any

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy import cli, plots
from jaxentropy.experiments.activations import read_activations, read_twins
from jaxentropy.recording import chunks
from jaxentropy.recording.labels import numbered
from tests.conftest import random_recording
from tests.test_cli import fails

N = 240


def network(seed: int, depth_shift: float, n: int = N) -> dict[str, np.ndarray]:
    """Pre-activations of a small network; the larger the shift, the more of the second layer's neurons are off."""
    rng = np.random.default_rng(seed)
    z1 = rng.normal(size=(n, 20)) + rng.normal(size=(3, 20))[np.arange(n) % 3]
    z2 = np.maximum(z1, 0) @ rng.normal(size=(20, 9)) - depth_shift
    return {"fc1": z1.astype(np.float32), "fc2": z2.astype(np.float32)}


LABELS = np.array(["cat", "dog", "eel"])[np.arange(N) % 3]


def write_h5(path, labels, layers, **settings) -> None:
    with h5py.File(path, "w", **settings) as file:
        for name, values in layers.items():
            file.create_dataset(name, data=values, chunks=(7, 4), compression="gzip")
        file["labels"] = labels.tolist() if labels.dtype.kind == "U" else labels


def same_bits(a: je.Recording, b: je.Recording) -> bool:
    own, others = ((r.layers, r.widths, r.class_names, dict(r.meta)) for r in (a, b))
    return own == others and all(
        np.array_equal(x, y) for x, y in zip((*a.words, a.labels), (*b.words, b.labels), strict=True)
    )


@pytest.fixture
def files(tmp_path, monkeypatch):
    """trained.npz and .h5, init.npz and .h5 in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, layers in (("trained", network(0, 12)), ("init", network(0, 0))):
        np.savez(f"{name}.npz", allow_pickle=False, labels=LABELS, **layers)
        write_h5(f"{name}.h5", LABELS, layers)
    return tmp_path


@pytest.fixture
def figures_drawn(monkeypatch) -> list[set[str]]:
    """Whose recordings the figures were drawn from; one small figure in place of all."""
    drawn = []

    def figures(profile, recordings, streamed=None, full=False, title=None):
        drawn.append(set(recordings))
        return {"patterns": plt.figure(figsize=(1, 1))}

    monkeypatch.setattr(plots, "figures", figures)
    return drawn


@pytest.mark.thorough
def test_a_network_beside_itself_before_training(files, figures_drawn, capsys):
    """The planted control: the second layer falls in the trained network only; exchanged, training weakens the fall."""
    cli.main(["analyze", "trained.npz", "--untrained", "init.h5", "--layers", "fc1", "fc2", "--no-bounds"])
    out = capsys.readouterr().out
    assert "training deepens the fall in 3 of 3 comparisons" in " ".join(out.split())
    assert figures_drawn == [{"trained", "untrained"}]
    found = je.load_profile(files / "trained-profile" / "profile.nc")
    assert found.network.values.tolist() == ["trained", "untrained", "shuffled"]
    recordings = {
        name: je.Recording.from_activations(layers, LABELS)
        for name, layers in (("trained", network(0, 12)), ("untrained", network(0, 0)))
    }
    expected = je.profile(recordings, bounds=False)
    for name in ("neuron_entropy", "excess_fall", "excess_fall_se", "pattern_entropy"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert str(je.verdict(found)) == str(je.verdict(expected))
    assert "Is the fall due to training?" in (files / "trained-profile" / "summary.md").read_text()
    cli.main(["analyze", "init.npz", "--untrained", "trained.npz", "--no-bounds"])
    assert "training weakens" in (text := " ".join(capsys.readouterr().out.split())) or "rises" in text
    assert "training deepens" not in text


def test_saved_recordings_serve_for_either(files):
    for name in ("trained", "init"):
        read_activations(files / f"{name}.npz").save(f"{name}-bits.npz")
    expected = read_twins(files / "trained.npz", files / "init.npz")
    for one, other in (("trained-bits.npz", "init.h5"), ("trained.h5", "init-bits.npz"), ("trained-bits.npz",) * 2):
        twins = read_twins(files / one, files / other, ["fc1", "fc2"])
        assert same_bits(twins["trained"], expected["trained"])
        assert [r.meta["network"] for r in twins.values()] == ["trained", "untrained"]
    assert read_activations(files / "trained-bits.npz", ["fc2"]).layers == ("fc2",)
    with pytest.raises(je.InputError, match=r"the order of depth is fc1, fc2; give --layers in it, or leave"):
        read_activations(files / "trained-bits.npz", ["fc2", "fc1"])
    with pytest.raises(je.InputError, match=r"no layer 'fc9'; there are fc1, fc2"):
        read_activations(files / "trained-bits.npz", ["fc9"])


def test_a_recording_with_class_names_names_the_numbers_of_the_other(files):
    numbers = np.arange(N) % 3
    np.savez("numbers.npz", allow_pickle=False, labels=numbers, **network(0, 0))
    read_activations(files / "trained.npz").save("named.npz")
    twins = read_twins(files / "named.npz", files / "numbers.npz")
    assert twins["untrained"].class_names == ("cat", "dog", "eel")


def changed(how: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    layers, labels = network(0, 0), LABELS.copy()
    if how == "layer":
        layers["fc3"] = layers["fc2"]
    elif how == "order":
        layers = dict(reversed(layers.items()))
    elif how == "width":
        layers["fc1"] = layers["fc1"][:, :19]
    elif how == "number":
        layers, labels = {name: own[:-1] for name, own in layers.items()}, labels[:-1]
    elif how == "label":
        labels[[17, 40]] = "dog", "eel"
    else:
        labels[labels == "eel"] = "fox"
    return layers, labels


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("layer", "trained.npz and other.npz differ in layers: layer 'fc3' is in other.npz only"),
        ("order", "another order, number 1 is 'fc1' in trained.npz and 'fc2' in other.npz"),
        ("width", "differ in widths: layer 'fc1' has 20 neurons in the one and 19 in the other"),
        ("number", "did not see the same inputs in the same order (240 and 239 labels)"),
        ("label", "2 of 240 labels differ, first that of input 17, counted from 0: 'eel' in trained.npz and 'dog' in"),
        ("name", "differ in classes: class 'eel' is in trained.npz only"),
    ],
)
def test_twins_that_are_none_give_one_line_that_names_the_difference(how, message, files, capsys):
    layers, labels = changed(how)
    np.savez("other.npz", allow_pickle=False, labels=labels, **layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", je.DepthOrderWarning)
        assert message in fails(capsys, "analyze", "trained.npz", "--untrained", "other.npz")
    assert not (files / "trained-profile").exists()


@pytest.mark.parametrize("rows", [7, 11, 35, 1000])
def test_hdf5_gives_the_bits_of_npz_whatever_the_chunk(rows, files, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", rows * 8 * 20)
    expected = read_activations(files / "trained.npz")
    assert same_bits(read_activations(files / "trained.h5"), expected)
    layers = network(0, 12)
    layers["fc2"][N - 1, 4] *= -1  # the planted control: one sign in the last chunk
    write_h5("other.h5", LABELS, layers)
    other = read_activations(files / "other.h5")
    assert not same_bits(other, expected)
    differing = np.argwhere(other.states("fc2") != expected.states("fc2"))
    assert differing.tolist() == [[N - 1, 4]]


def test_hdf5_is_read_into_one_chunk_of_memory(tmp_path, monkeypatch):
    """A file of 24 MB, in chunks of 1 MB; read at once, the same measure sees the whole file."""
    n, width = 12_000, 500
    with h5py.File(tmp_path / "big.h5", "w") as file:
        file["labels"] = np.arange(n) % 10
        one = np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)
        file.create_dataset("fc1", data=one, chunks=(100, width))

    def peak(chunk: int) -> float:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", chunk)
        tracemalloc.start()
        recording = read_activations(tmp_path / "big.h5")
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_array_equal(recording.states("fc1"), one > 0)
        return used / 1e6

    assert peak(1 << 20) < 4
    assert peak(1 << 30) > 24


def test_open_datasets_serve_in_python(files):
    with h5py.File("trained.h5") as opened:
        file: Any = opened
        recording = je.Recording.from_activations(file, file["labels"], layers=["fc1", "fc2"])
        with pytest.raises(je.InputError, match=r"layer 'labels' .*There is no axis of inputs.*leave out what is no"):
            je.Recording.from_activations(file, file["labels"], layers=["fc1", "labels"])
    assert same_bits(recording, je.Recording.from_activations(network(0, 12), LABELS))


def test_the_order_of_depth_in_hdf5_is_asked_for_or_known(files, capsys):
    """Written body, head, stem or stem, body, head: only a file that keeps the order can tell."""
    one = network(0, 0)["fc2"]
    layers = dict.fromkeys(("stem", "body", "head"), one)
    write_h5("lost.h5", LABELS, layers)
    message = fails(capsys, "analyze", "lost.h5")
    assert "lost.h5: the file does not know the order of depth: HDF5 lists names alphabetically (body, head, stem)" in (
        message
    )
    assert "--layers" in message
    assert read_activations(files / "lost.h5", ["stem", "body", "head"]).layers == ("stem", "body", "head")
    write_h5("kept.h5", LABELS, layers, track_order=True)
    assert read_activations(files / "kept.h5").layers == ("stem", "body", "head")
    write_h5("doubtful.h5", LABELS, dict(sorted(layers.items())), track_order=True)
    with pytest.warns(je.DepthOrderWarning, match="body, head, stem are in alphabetical order"):
        assert read_activations(files / "doubtful.h5").layers == ("body", "head", "stem")
    write_h5("ten.h5", LABELS, {f"fc{i}": one for i in range(1, 11)})
    with pytest.raises(je.InputError, match="fc1, fc10, fc2"):
        read_activations(files / "ten.h5")
    with h5py.File("grouped.h5", "w") as file:
        file["labels"], file["block/fc1"], file["block/fc2"] = LABELS.tolist(), one, one
    with pytest.raises(je.InputError, match=r"block/fc1 lies in a group.*--layers block/fc1 block/fc2"):
        read_activations(files / "grouped.h5")
    assert read_activations(files / "grouped.h5", ["block/fc2"]).layers == ("block/fc2",)


def test_files_that_cannot_be_read_give_one_line(files, capsys):
    content = (files / "trained.h5").read_bytes()
    (files / "cut.h5").write_bytes(content[: len(content) // 2])
    (files / "text.h5").write_text("no HDF5")
    for name in ("cut.h5", "text.h5"):
        assert f"{name} is damaged or not HDF5" in fails(capsys, "analyze", name)
    assert "no file none.h5" in fails(capsys, "analyze", "none.h5")
    assert "no file none.npz" in fails(capsys, "analyze", "trained.npz", "--untrained", "none.npz")
    with h5py.File("unlabelled.h5", "w") as file:
        file["fc1"] = np.ones((2, 2))
    assert 'has no labels, only fc1; save them with the layers: file["labels"] = labels' in (
        fails(capsys, "analyze", "unlabelled.h5")
    )
    np.savez("objects.npz", labels=np.array(["a", "b"], object), fc1=np.eye(2))
    assert "the labels are Python objects; save them as numbers" in fails(capsys, "analyze", "objects.npz")


BAD = np.ones((6, 2), np.float32)


@pytest.mark.parametrize(
    ("layer", "labels", "message"),
    [
        (BAD.astype(int), np.arange(6), r"layer 'fc1' holds whole numbers \(int64\).*states as booleans \(z > 0\)"),
        (BAD.astype(np.uint8), np.arange(6), r"whole numbers \(uint8\)"),
        (BAD[0], np.arange(6), r"has shape \[2\]; expected \[6, neurons\] for 6 labels. There is no axis of inputs"),
        (BAD, np.arange(7), r"has shape \[6, 2\]; expected \[7, neurons\] for 7 labels. 6 rows and 7 labels are not"),
        (BAD.T, np.arange(6), "the other way round: give z.T"),
        (BAD[:, :0], np.arange(6), "without neurons"),
        (BAD * 1j, np.arange(6), "holds complex64; expected real numbers"),
        ([[1.0], [1.0, 2.0]], [0, 1], "cannot be read as an array"),
        (BAD, np.arange(6) - 1, "labels run from -1 to 4; .*: number the classes from 0, and leave out inputs without"),
        (BAD, np.arange(6) * 10**6, r"labels run to 5000000 for 6 inputs, .* give the labels as strings"),
        (BAD, np.eye(6), r"labels are float64\[6, 6\]; .*labels.argmax\(1\)"),
    ],
)
def test_arrays_that_do_not_serve_give_one_line_with_a_remedy(layer, labels, message):
    with pytest.raises(je.InputError, match=message) as error:
        je.Recording.from_activations({"fc1": layer}, labels)
    assert "\n" not in str(error.value)


def test_missing_labels_are_asked_for():
    with pytest.raises(je.InputError, match="there are no labels; give the class of each input"):
        numbered(None, None)


def test_nan_names_the_layer_and_the_row(monkeypatch, tmp_path):
    bad = np.ones((60, 4), np.float32)
    bad[47, 2] = np.nan
    layers = {"fc1": np.ones((60, 4)), "fc2": bad}
    with pytest.raises(je.InputError, match=r"'fc2': 1 of 240 activations are NaN or infinite, the first .* input 47 "):
        je.Recording.from_activations(layers, np.zeros(60, int))
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 20 * 8 * 4)
    with pytest.raises(je.InputError, match=r"1 of 80 activations for inputs 40 to 59 are NaN .* for input 47 "):
        je.Recording.from_activations(layers, np.zeros(60, int))


def test_strings_are_labels_and_become_class_names():
    states = np.eye(4, 3) > 0
    for labels in (np.array(["b", "a", "b", "é"]), ["b", "a", "b", "é"], np.array(["b", "a", "b", "é"], object)):
        recording = je.Recording.from_activations({"fc1": states}, labels)
        assert recording.class_names == ("a", "b", "é")
        assert recording.labels.tolist() == [1, 0, 1, 2]
    bytes_too = je.Recording.from_activations({"fc1": states}, np.array(["b", "a", "b", "é"]).astype("U1").tolist())
    assert bytes_too.class_names == ("a", "b", "é")
    chosen = je.Recording.from_activations({"fc1": states}, ["b", "a", "b", "a"], class_names=["b", "c", "a"])
    assert chosen.labels.tolist() == [0, 2, 0, 2]
    with pytest.raises(je.InputError, match="the label 'x' is no class; class_names has b, c"):
        je.Recording.from_activations({"fc1": states}, ["b", "x", "b", "c"], class_names=["b", "c"])


def test_memory_maps_and_states_are_read_by_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 256)
    recording = random_recording(3)
    states = {name: recording.states(name) for name in recording.layers}
    again = je.Recording.from_activations(states, recording.labels)
    assert all(np.array_equal(a, b) for a, b in zip(again.words, recording.words, strict=True))
    np.save(tmp_path / "z.npy", states["fc2"].astype(np.float16))
    mapped = np.load(tmp_path / "z.npy", mmap_mode="r")
    once = je.Recording.from_activations({"fc2": mapped}, recording.labels)
    assert np.array_equal(once.words[0], recording.words[1])


def test_help_shows_the_twin(capsys):
    with pytest.raises(SystemExit):
        cli.main(["analyze", "--help"])
    assert re.search(r"trained\.npz --untrained init\.npz", capsys.readouterr().out)
