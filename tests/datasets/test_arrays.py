"""Files of named arrays, and labels that are strings: against what was written."""

import sys
import warnings

import h5py
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.datasets import load
from tests.conftest import toy_images

NAMES = ("owl", "ant", "élan")


def write(path, arrays):
    """The same arrays in the format of the file's ending; returns the data set's name."""
    kind = path.suffix[1:]
    if kind == "npz":
        np.savez(path, **arrays)
    elif kind == "hdf5":
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = [str(v) for v in array] if array.dtype.kind == "U" else array
    else:
        zarr = pytest.importorskip("zarr")
        group = zarr.open_group(str(path), mode="w")
        with warnings.catch_warnings(action="ignore"):  # that other libraries may not read these strings
            for key, array in arrays.items():
                group.create_array(key, data=array)
    return f"{kind}:{path}"


@pytest.fixture
def split_arrays(rng):
    images, labels = toy_images(60, rng)
    return {"x_train": images[:45], "y_train": labels[:45], "x_test": images[45:], "y_test": labels[45:]}


@pytest.mark.parametrize("kind", ["npz", "hdf5", "zarr"])
def test_every_format_gives_the_same(tmp_path, split_arrays, kind):
    data = load(write(tmp_path / f"a.{kind}", split_arrays))
    for split, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        x, train = split_arrays[f"x_{split}"].astype(float), split_arrays["x_train"].astype(float)
        np.testing.assert_allclose(images[..., 0], (x - train.mean()) / train.std(), atol=1e-5)
        assert labels.tolist() == split_arrays[f"y_{split}"].tolist()
    assert data.class_names == ("0", "1", "2")
    assert data.split_source == "training and test set as the source has them"
    assert (data.pixel_mean, data.pixel_scale) == pytest.approx((train.mean(), train.std()))


@pytest.mark.parametrize("kind", ["npz", "hdf5", "zarr"])
@pytest.mark.parametrize("of", [np.str_, np.bytes_])
def test_strings_become_classes_with_names(tmp_path, split_arrays, kind, of):
    texts = np.array(NAMES if of is np.str_ else [n.encode() for n in NAMES])
    named = {key: texts[array] if key.startswith("y") else array for key, array in split_arrays.items()}
    data = load(write(tmp_path / f"a.{kind}", named))
    assert data.class_names == ("ant", "owl", "élan")
    for split, labels in (("train", data.train_labels), ("test", data.test_labels)):
        assert [data.class_names[c] for c in labels] == [NAMES[c] for c in split_arrays[f"y_{split}"]]
    whole = {"images": named["x_train"], "labels": named["y_train"]}
    data = load(write(tmp_path / f"b.{kind}", whole))
    assert data.class_names == ("ant", "owl", "élan")
    assert np.bincount(data.test_labels).tolist() == [3, 3, 3]
    for label, name in enumerate(data.class_names):  # images go with their labels
        own = np.concatenate(
            [data.train_images[data.train_labels == label], data.test_images[data.test_labels == label]]
        )
        expected = whole["images"][split_arrays["y_train"] == NAMES.index(name)]
        assert own.mean() * data.pixel_scale + data.pixel_mean == pytest.approx(expected.mean(), abs=1e-4)


@pytest.mark.parametrize("kind", ["npz", "hdf5", "zarr"])
def test_missing_and_damaged_files(tmp_path, kind, split_arrays):
    path = tmp_path / f"a.{kind}"
    with pytest.raises(je.InputError, match=f"no file .*; give --dataset {kind}:FILE"):
        load(f"{kind}:{path}")
    path.write_bytes(b"\x89HDF no")
    with pytest.raises(je.InputError, match=r"is damaged or not an? "):
        load(f"{kind}:{path}")
    lacking = {key: array for key, array in split_arrays.items() if key != "y_test"}
    path.unlink()
    with pytest.raises(je.InputError, match="holds x_test, x_train, y_train; expected x_train, y_train, x_test"):
        load(write(path, lacking))


def test_groups_in_place_of_arrays(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for key in ("images", "labels"):
            file.create_group(key)
    with pytest.raises(je.InputError, match="images is a group; expected an array"):
        load(f"hdf5:{tmp_path / 'a.hdf5'}")


def test_zarr_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(je.InputError, match=r"pip install 'jaxentropy\[zarr\]'"):
        load(f"zarr:{tmp_path}")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_train": np.array(["a", "", "b"] * 15), "y_test": np.array(["a"] * 15)}, r"a label is missing \(''\)"),
        ({"y_train": np.array(["a", "b", "c"] * 15)}, "some labels are strings and some numbers"),
        ({"y_train": np.array(["a", None, "b"] * 15, object)}, r"save class names as strings, y_train\.astype\(str\)"),
        ({"y_train": np.array([0.0, np.nan, 1.0] * 15)}, "labels are float64; expected whole numbers, or names"),
        ({"y_train": np.array([0, 1, 10**9] * 15)}, "a label is 1000000000, but there are 60 labels"),
        ({"y_train": np.array([0, 1, -1] * 15)}, r"a label is negative \(-1\)"),
        ({"y_train": np.arange(44) % 3}, r"45 training images and labels int64\[44\]; expected a label for each"),
        ({"y_train": np.arange(45)[:, None] % 3}, r"labels int64\[45, 1\]"),
        ({"y_train": np.full(45, 2)}, r"all training images are of one class \(2\); expected two or more"),
        ({"y_train": np.arange(45) % 2}, "test images of 2 have no training images"),
        ({"x_test": np.zeros((15, 8, 9))}, r"training images are \(8, 8\), test images \(8, 9\)"),
        ({"x_test": np.zeros((0, 8, 8)), "y_test": np.zeros(0, int)}, "there are no test images"),
    ],
)
def test_unfit_arrays_are_refused(tmp_path, split_arrays, changed, message):
    with pytest.raises(je.InputError, match=message):
        load(write(tmp_path / "a.npz", {**split_arrays, **changed}))


def test_objects_of_other_kinds_are_missing_labels():
    from jaxentropy.datasets.labels import classes_of

    with pytest.raises(je.InputError, match=r"a label is missing \(nan\)"):
        classes_of("table", [np.array(["a", float("nan")], object)])
    [labels], names = classes_of("table", [np.array(["b", "a", b"b"], object)])
    assert (labels.tolist(), names) == ([1, 0, 1], ("a", "b"))
