import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.recording.forward import any_nonfinite
from tests.conftest import random_recording


def same(a: je.Recording, b: je.Recording) -> bool:
    return (a.layers, a.widths, a.class_names, dict(a.meta)) == (
        b.layers,
        b.widths,
        b.class_names,
        dict(b.meta),
    ) and all(np.array_equal(x, y) for x, y in zip((*a.words, a.labels), (*b.words, b.labels), strict=True))


def test_from_activations_keeps_signs_and_order(rng):
    activations = {f"fc{i}": rng.normal(size=(20, 35)) for i in (2, 10, 9)}
    recording = je.Recording.from_activations(activations, rng.integers(0, 4, 20), class_names=list("abcde"))
    assert recording.layers == ("fc2", "fc10", "fc9")
    assert recording.num_classes == 5
    for name, values in activations.items():
        np.testing.assert_array_equal(recording.states(name), values > 0)


def test_save_and_load(tmp_path):
    recording = random_recording(0)
    recording.save(tmp_path / "r.npz")
    assert same(je.Recording.load(tmp_path / "r.npz"), recording)
    assert [p.name for p in tmp_path.iterdir()] == ["r.npz"]


def test_no_pickle_is_written(tmp_path):
    random_recording(0).save(tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz", allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file} <= {"u", "i"}


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "r.npz"
    random_recording(0).save(path)
    before = path.read_bytes()

    def fails(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="disk full"):
        random_recording(1).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.npz"]


@pytest.mark.parametrize("keep", [0, 10, 200, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path, keep):
    path = tmp_path / "r.npz"
    random_recording(0).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(je.InputError, match="damaged or not a recording"):
        je.Recording.load(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(je.InputError, match="no recording at"):
        je.Recording.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    with pytest.raises(je.InputError, match="not a recording"):
        je.Recording.load(tmp_path / "other.npz")
    header = np.frombuffer(json.dumps({"format": "jaxentropy-recording", "version": 99}).encode(), np.uint8)
    np.savez(tmp_path / "newer.npz", header=header)
    with pytest.raises(je.InputError, match="99"):
        je.Recording.load(tmp_path / "newer.npz")


def test_split_and_concatenate_give_the_whole():
    recording = random_recording(0)
    parts = [recording.take(np.arange(0, 31)), recording.take(np.arange(90) >= 31)]
    assert same(je.concatenate(parts), recording)


@pytest.mark.parametrize(
    ("activations", "labels", "message"),
    [
        ({"a": np.zeros((3, 2))}, [0, 1], r"layer 'a' has shape \[3, 2\]; expected \[2, neurons\]"),
        ({"a": np.zeros((2, 2, 2))}, [0, 1], r"\[2, 2, 2\]; expected \[2, neurons\].*'any'.* not independent"),
        ({"a": np.array([[np.nan, 1], [np.inf, 2]])}, [0, 1], "layer 'a': 2 of 4 activations are NaN or infinite"),
        ({"a": np.array([["x"], ["y"]])}, [0, 1], "expected real numbers"),
        ({"a": np.zeros((2, 2))}, [0, -1], "labels run from -1 to 0"),
        ({"a": np.zeros((2, 2))}, [0.5, 1], "expected a whole number"),
        ({"a": np.zeros((2, 2))}, [np.inf, 1], "expected a whole number"),
        ({"a": np.zeros((2, 2))}, [["x"], ["y"]], "expected a whole number"),
        ({"a": np.zeros((2, 2))}, [0, 2**40], "expected 0 to 2147483647"),
        ({"a": np.zeros((0, 2))}, np.zeros(0, int), "no inputs"),
        ({}, [0, 1], "one or more layers"),
    ],
)
def test_from_activations_refuses(activations, labels, message):
    with pytest.raises(je.InputError, match=message):
        je.Recording.from_activations(activations, np.asarray(labels))


def test_labels_names_and_meta_are_normalised(tmp_path):
    """Narrow or floating labels, arrays of names, NumPy numbers in meta: each is what the user meant."""
    labels = np.arange(200, dtype=np.uint8)
    words = je.Recording.from_activations({"a": np.arange(600).reshape(200, 3) % 2 == 1}, labels).words
    for given in (labels, labels.astype(float), labels.astype(np.int64)):
        recording = je.Recording(("a",), (3,), words, given, tuple(range(256)), {"seed": np.int64(3)})
        assert recording.labels.dtype == np.int32
        assert recording.labels.tolist() == list(range(200))
        assert recording.class_names[255] == "255"
        recording.save(tmp_path / "r.npz")
        assert je.Recording.load(tmp_path / "r.npz").meta == {"seed": 3}
    named = je.Recording.from_activations({"a": np.eye(2, 3)}, [0, 1], class_names=np.array(["cat", "dog"]))
    assert named.class_names == ("cat", "dog")
    half = je.Recording.from_activations({"a": jnp.eye(2, 3, dtype=jnp.bfloat16)}, [0, 1])
    assert half.states("a").tolist() == [[True, False, False], [False, True, False]]
    with pytest.raises(je.InputError, match="must differ"):
        je.Recording.from_activations({"a": np.eye(2, 3)}, [0, 1], class_names=["x", "x"])
    with pytest.raises(je.InputError, match="must be JSON values"):
        je.Recording.from_activations({"a": np.eye(2, 3)}, [0, 1], meta={"model": object()})


def test_a_quantizer_must_give_states():
    """Levels 0 … 3 would spill into the bits of neighbouring neurons."""

    def levels(activations):
        return jnp.clip(jnp.floor(activations) + 2, 0, 3).astype(jnp.int32)

    with pytest.raises(TypeError, match="expected bool"):
        je.Recording.from_activations({"a": np.ones((2, 3), np.float32)}, [0, 1], quantizer=levels)
    with pytest.raises(TypeError, match="expected bool"):
        je.record(lambda v, x: (x, {"a": x}), None, [(np.ones((2, 3), np.float32), [0, 1])], quantizer=levels)
    with pytest.raises(TypeError, match="expected bool"):
        je.count_patterns(np.ones((2, 3), np.float32), np.array([0, 1]), 2, levels)


def test_concatenate_refuses():
    with pytest.raises(je.InputError, match="got none"):
        je.concatenate([])
    with pytest.raises(je.InputError, match="same layers"):
        je.concatenate([random_recording(0), random_recording(0, widths=(5, 40, 34))])


def test_states_of_an_unknown_layer():
    with pytest.raises(je.InputError, match="no layer 'fc9' in this recording; it has fc1, fc2, fc3"):
        random_recording(0).states("fc9")


def linear(weights, inputs):
    """A network of two layers, as an apply function."""
    hidden = inputs @ weights["a"]
    return hidden.sum(-1), {"late": hidden, "early": jnp.tanh(hidden)[:, :3]}


def batches(inputs, labels, size):
    return ((inputs[i : i + size], labels[i : i + size]) for i in range(0, len(labels), size))


@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_record_agrees_with_the_whole_at_once(rng, size):
    inputs, labels = rng.normal(size=(100, 6)).astype(np.float32), rng.integers(0, 3, 100)
    weights = {"a": rng.normal(size=(6, 37)).astype(np.float32)}
    recording = je.record(linear, weights, batches(inputs, labels, size))
    assert recording.layers == ("late", "early")
    whole = {k: np.asarray(v) for k, v in linear(weights, inputs)[1].items()}
    np.testing.assert_array_equal(recording.states("late"), whole["late"] > 0)
    np.testing.assert_array_equal(recording.states("early"), whole["early"] > 0)
    np.testing.assert_array_equal(recording.labels, labels)


class TooShort(list):
    """A list that says it is shorter than it is, as a loader that guesses does."""

    def __len__(self):
        return 2


@pytest.mark.parametrize("kind", [iter, list, TooShort])
def test_record_does_not_need_to_know_how_many_batches_there_are(kind, rng):
    inputs, labels = rng.normal(size=(100, 6)).astype(np.float32), rng.integers(0, 3, 100)
    weights = {"a": rng.normal(size=(6, 37)).astype(np.float32)}
    recording = je.record(linear, weights, kind(list(batches(inputs, labels, 30))))
    assert same(recording, je.record(linear, weights, [(inputs, labels)]))


def test_labels_of_later_batches_are_not_cut_to_the_type_of_the_first():
    """Neither wider ones nor halves."""
    inputs, weights = np.array([[1.0], [-1.0]], np.float32) * np.ones(6, np.float32), {"a": np.ones((6, 4), np.float32)}
    wider = [(inputs, np.array([1, 2], np.uint8)), (inputs, np.array([300, 3]))]
    assert je.record(linear, weights, wider).labels.tolist() == [1, 2, 300, 3]
    with pytest.raises(je.InputError, match="expected a whole number"):
        je.record(linear, weights, [(inputs, np.array([0, 1])), (inputs, np.array([0.5, 1]))])


def test_variables_may_hold_random_keys():
    variables = {"key": jax.random.key(0), "a": np.ones((6, 4), np.float32)}
    inputs = np.array([[1.0], [-1.0]], np.float32) * np.ones(6, np.float32)
    assert je.record(linear, variables, [(inputs, np.array([0, 1]))]).n == 2


def test_record_chooses_and_orders_layers(rng):
    inputs, labels = rng.normal(size=(10, 6)).astype(np.float32), np.zeros(10, int)
    weights = {"a": rng.normal(size=(6, 5)).astype(np.float32)}
    assert je.record(linear, weights, [(inputs, labels)], layers=["early"]).layers == ("early",)
    with pytest.raises(je.InputError, match="no layer 'deep'; there are late, early"):
        je.record(linear, weights, [(inputs, labels)], layers=["deep"])


def test_every_activation_is_looked_at(rng):
    """By rows in groups and by single ones: one NaN or infinity anywhere is found, and none where there is none."""
    activations = rng.normal(size=(83, 5)).astype(np.float32) * 1e38
    look = jax.jit(any_nonfinite)
    real = np.arange(83) < 81
    assert not look(activations, real)
    for row in (0, 39, 40, 79, 80, 82):
        for value in (np.nan, np.inf, -np.inf):
            spoilt = activations.copy()
            spoilt[row, rng.integers(5)] = value
            assert bool(look(spoilt, real)) == (row < 81)


def test_record_counts_nan_and_infinite_in_real_rows_only(rng):
    inputs, labels = np.ones((5, 6), np.float32), np.zeros(5, int)
    inputs[3, 0] = np.nan
    with pytest.raises(je.InputError, match=r"layer 'late': 4 of 8 activations for inputs 3 to 4 are NaN"):
        je.record(linear, {"a": np.ones((6, 4), np.float32)}, batches(inputs, labels, 3))

    def logarithm(_, inputs):  # minus infinity on the zeros that fill the last batch up
        return inputs, {"log": jnp.log(inputs)}

    assert je.record(logarithm, None, batches(np.exp(np.eye(5, 2, dtype=np.float32)), labels, 3)).n == 5


@pytest.mark.parametrize(
    ("apply_fn", "data", "message"),
    [
        (linear, [], "no batch"),
        (linear, [(np.ones((2, 6), np.float32), np.zeros(3, int))], r"inputs \[2, 6\] and labels \[3\]"),
        (lambda v, x: x, [(np.ones((2, 6), np.float32), np.zeros(2, int))], "no hidden fully connected layer"),
        (lambda v, x: (x, {}), [(np.ones((2, 6), np.float32), np.zeros(2, int))], "no hidden fully connected layer"),
        (lambda v, x: (x, {"c": x[:, None]}), [(np.ones((2, 6), np.float32), np.zeros(2, int))], r"2, 1, 6.*one row"),
        (linear, [(np.ones((2, 6), np.float32), np.array([0, -3]))], "labels run from -3"),
    ],
)  # fmt: skip
def test_record_refuses(apply_fn, data, message):
    with pytest.raises(je.InputError, match=message):
        je.record(apply_fn, {"a": np.ones((6, 4), np.float32)}, data)


def test_recording_checks_its_parts():
    with pytest.raises(je.InputError, match=r"expected uint32\[2, 2\]"):
        je.Recording(("a",), (40,), (np.zeros((2, 1), np.uint32),), np.zeros(2, np.int32), ("0",))
    with pytest.raises(je.InputError, match="expected as many of each"):
        je.Recording(("a", "b"), (40,), (np.zeros((2, 2), np.uint32),), np.zeros(2, np.int32), ("0",))


def test_spilled_bits_come_back_memory_mapped(rng, tmp_path):
    inputs, labels = rng.normal(size=(100, 6)).astype(np.float32), rng.integers(0, 3, 100)
    weights = {"a": rng.normal(size=(6, 37)).astype(np.float32)}
    in_memory = je.record(linear, weights, batches(inputs, labels, 32), meta={"seed": 4})
    spilled = je.record(linear, weights, batches(inputs, labels, 32), meta={"seed": 4}, spill=tmp_path / "bits")
    assert same(in_memory, spilled)
    assert same(je.Recording.load(tmp_path / "bits"), in_memory)
    assert all(isinstance(words, np.memmap) for words in spilled.words)
    assert je.profile(spilled, bounds=False).equals(je.profile(in_memory, bounds=False))
    with pytest.raises(je.InputError, match="holds a recording already"):
        je.record(linear, weights, batches(inputs, labels, 32), spill=tmp_path / "bits")


def test_a_spill_that_fails_leaves_nothing(rng, tmp_path):
    inputs = np.ones((8, 6), np.float32)
    inputs[7] = np.nan
    with pytest.raises(je.InputError, match="NaN or infinite"):
        je.record(linear, {"a": np.ones((6, 4), np.float32)}, batches(inputs, np.zeros(8, int), 2), spill=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(je.InputError, match=r"no finished recording .*recording.json is missing"):
        je.Recording.load(tmp_path)


def test_a_damaged_spill_is_refused(rng, tmp_path):
    inputs, labels = rng.normal(size=(8, 6)).astype(np.float32), np.zeros(8, int)
    je.record(linear, {"a": np.ones((6, 4), np.float32)}, [(inputs, labels)], spill=tmp_path)
    words = tmp_path / "words_0.u32"
    words.write_bytes(words.read_bytes()[:-4])
    with pytest.raises(je.InputError, match="28 bytes instead of 32"):
        je.Recording.load(tmp_path)
    (tmp_path / "recording.json").write_text("{")
    with pytest.raises(je.InputError, match="damaged"):
        je.Recording.load(tmp_path)
