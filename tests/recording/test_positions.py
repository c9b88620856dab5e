"""Layers with positions, each way, beside loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je

LABELS = np.arange(11) % 3
INPUTS = np.random.default_rng(5).normal(size=(11, 2, 3, 4)).astype(np.float32)
WEIGHTS = np.random.default_rng(6).normal(size=(4, 35)).astype(np.float32)


def convolution(weights, images):
    """Two layers of 2 × 3 positions."""
    hidden = images @ weights
    return hidden.sum(), {"conv1": hidden, "conv2": jnp.tanh(hidden)[..., :5] - 0.5}


def mixed(weights, images):
    """A layer with 6 positions, one with 3, one with none."""
    hidden = images @ weights
    return None, {"conv": hidden, "pooled": hidden.max(1), "fc": hidden.mean((1, 2))}


def batches(size=4):
    return [(INPUTS[i : i + size], LABELS[i : i + size]) for i in range(0, 11, size)]


def expected_states(name: str, positions: str) -> np.ndarray:
    """By loops over inputs and positions."""
    layer = np.asarray(convolution(WEIGHTS, INPUTS)[1][name])
    rows = []
    for one in layer:
        places = [one[i, j] for i in range(2) for j in range(3)]
        if positions == "each":
            rows += [place > 0 for place in places]
        elif positions == "flatten":
            rows.append(np.concatenate([place > 0 for place in places]))
        elif positions == "any":
            rows.append(np.any([place > 0 for place in places], axis=0))
        else:
            rows.append(sum(place.astype(float) for place in places) / 6 > 0)
    return np.stack(rows)


@pytest.mark.parametrize("positions", ["each", "flatten", "any", "mean"])
def test_each_way_agrees_with_a_loop(positions):
    recorded = je.record(convolution, WEIGHTS, batches(), positions=positions)
    activations = {name: np.asarray(own) for name, own in convolution(WEIGHTS, INPUTS)[1].items()}
    given = je.Recording.from_activations(activations, LABELS, positions=positions)
    for recording in (recorded, given):
        assert recording.meta["positions"] == positions
        assert recording.num_inputs == 11
        for name in ("conv1", "conv2"):
            np.testing.assert_array_equal(recording.states(name), expected_states(name, positions))
        if positions == "each":
            assert recording.clusters is not None
            assert recording.clusters.tolist() == [i for i in range(11) for _ in range(6)]
            assert recording.labels.tolist() == [c for c in LABELS for _ in range(6)]
        else:
            assert recording.clusters is None
            assert recording.labels.tolist() == LABELS.tolist()


def test_any_uses_the_quantizer_and_mean_its_own_precision():
    half = np.array([[[0.6], [0.2]], [[0.4], [0.4]]], np.float16)
    by = {p: je.Recording.from_activations({"a": half}, [0, 1], quantizer=je.Threshold(0.5), positions=p).states("a")
          for p in ("any", "flatten")}  # fmt: skip
    assert by["any"].ravel().tolist() == [True, False]
    assert by["flatten"].tolist() == [[True, False], [False, False]]
    tiny = np.full((2, 4, 1), 0, np.float16)
    tiny[0, 0] = 6e-8  # a quarter of it rounds to zero in half precision
    assert je.Recording.from_activations({"a": tiny}, [0, 1], positions="mean").states("a").ravel().tolist() == [1, 0]


@pytest.mark.parametrize("positions", ["any", "mean", "flatten"])
def test_layers_without_positions_stay_as_they_are(positions):
    recording = je.record(mixed, WEIGHTS, batches(), positions=positions)
    fc = np.asarray(mixed(WEIGHTS, INPUTS)[1]["fc"])
    np.testing.assert_array_equal(recording.states("fc"), fc > 0)
    widths = dict(zip(recording.layers, recording.widths, strict=True))
    assert widths == {"conv": 35, "pooled": 35, "fc": 35} | (
        {"conv": 210, "pooled": 105} if positions == "flatten" else {}
    )


def test_a_tally_counts_what_is_recorded():
    names = ["a", "b", "c"]
    counted = je.tally(convolution, WEIGHTS, batches(), class_names=names, positions="any")
    expected = je.Tally.of(je.record(convolution, WEIGHTS, batches(), class_names=names, positions="any"))
    for a, b in zip((*counted.on, *counted.prints), (*expected.on, *expected.prints), strict=True):
        np.testing.assert_array_equal(a, b)
    assert counted.meta["positions"] == "any"


def same(a: je.Recording, b: je.Recording) -> bool:
    arrays = [(*r.words, r.labels, r.clusters) for r in (a, b)]
    return a.class_names == b.class_names and all(np.array_equal(x, y) for x, y in zip(*arrays, strict=True))


def test_clusters_are_kept_by_files_folders_meshes_and_parts(tmp_path):
    whole = je.record(convolution, WEIGHTS, batches(), positions="each")
    assert repr(whole) == "Recording(66 positions of 11 inputs, 3 classes; neurons: conv1 35, conv2 5)"
    whole.save(tmp_path / "r.npz")
    assert same(je.Recording.load(tmp_path / "r.npz"), whole)
    spilled = je.record(convolution, WEIGHTS, batches(), positions="each", spill=tmp_path / "bits")
    assert same(spilled, whole)
    assert isinstance(spilled.words[0], np.memmap)
    mesh = jax.make_mesh((2,), ("rows",), devices=jax.devices()[:2])
    assert same(je.record(convolution, WEIGHTS, batches(), positions="each", mesh=mesh), whole)
    assert whole.clusters is not None
    first, second = whole.take(whole.clusters < 4), whole.take(np.arange(66) >= 24)
    assert second.clusters is not None
    assert second.clusters.tolist() == [i for i in range(4, 11) for _ in range(6)]
    joined = je.concatenate([first, second])
    assert joined.clusters is not None
    np.testing.assert_array_equal(joined.clusters[:24], whole.clusters[:24])
    assert joined.num_inputs == 11  # no input of one part is taken for one of the other
    np.testing.assert_array_equal(joined.labels, whole.labels)
    assert je.concatenate([whole, whole]).num_inputs == 22
    (tmp_path / "bits" / "clusters.i32").write_bytes(b"\0" * 8)
    with pytest.raises(je.InputError, match=r"clusters.i32 holds 2 numbers instead of 66"):
        je.Recording.load(tmp_path / "bits")


def given(positions, **layers):
    return lambda: je.Recording.from_activations(layers, [0, 1], positions=positions)


def clustered(clusters, labels=(0, 0), **more):
    return lambda: je.Recording(("a",), (3,), (np.zeros((2, 1), np.uint32),), np.array(labels), ("0", "1"),
                                clusters=np.array(clusters), **more)  # fmt: skip


def recorded(fn, **options):
    return lambda: je.record(fn, WEIGHTS, batches(), **options)


FLAT = np.eye(2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (recorded(convolution), r"'conv1' has shape \[4, 2, 3, 35\].*'each'.*'flatten'.*'any'.*'mean'.*leave"),
        (recorded(convolution, positions="all"), "positions is 'all'; choose from each, flatten, any, mean"),
        (recorded(mixed, positions="each"),
         r"'conv' \[4, 2, 3, 35\] has 6, 'pooled' \[4, 3, 35\] has 3, 'fc' \[4, 35\] has none; record them .* pool"),
        (given("each", a=FLAT), "no layer has positions; leave positions out"),
        (given("any", a=np.zeros((2, 0, 3))), r"\[2, 0, 3\]; expected"),
        (given("any", a=np.array([[[-np.inf], [1.0]], [[1.0], [1.0]]])), "1 of 4 activations are NaN or infinite"),
        (recorded(lambda w, x: (None, {"a": jnp.log(jnp.abs(x) * (x > 0))}), positions="any"), "are NaN or infinite"),
        (recorded(convolution, positions="each", exhaustive=True), "record: an enumeration lists inputs, not"),
        (lambda: je.Recording.from_activations({"a": FLAT[:, None]}, [0, 1], positions="each", exhaustive=True),
         "from_activations: an enumeration lists inputs, not"),
        (lambda: je.tally(convolution, WEIGHTS, batches(), class_names=range(3), positions="each"), "use je.record"),
        (lambda: je.Tally.of(recorded(convolution, positions="each")()), "several rows an input"),
        (lambda: je.concatenate([given(None, a=FLAT)(), given("each", a=FLAT[:, None])()]), "some .* several rows"),
        (clustered([0, 0], (0, 1)), "rows of one input have different labels"),
        (clustered([0, -1]), "whole numbers of 0 or more"),
        (clustered([0, 1, 2]), r"int64\[3\]; expected"),
        (clustered([0.0, 1.0]), r"float64\[2\]; expected"),
        (clustered([0, 1], weights=np.ones(2)), "give weights or clusters, not both"),
    ],
)  # fmt: skip
def test_what_is_refused(make, message):
    with pytest.raises(je.InputError, match=message):
        make()


def test_one_row_an_input_may_be_an_enumeration():
    recording = je.record(convolution, WEIGHTS, batches(), positions="any", exhaustive=True)
    assert recording.weights is not None
    assert recording.weights.tolist() == [1] * 11
