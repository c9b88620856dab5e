"""Images of TensorFlow Datasets, prepared by TFDS itself and read without TensorFlow: against what was prepared."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

import jaxentropy as je
from jaxentropy.datasets import load

tfds = pytest.importorskip("tensorflow_datasets")
SIDES = {"train": 45, "test": 15}


@pytest.fixture
def pixels(rng):
    return {split: rng.integers(0, 256, (n, 6, 5, 3)).astype(np.uint8) for split, n in SIDES.items()}


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Prepares images with the labels owl, ant, owl, … as the data set ``pictures``."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    def prepare(images, file_format="array_record", splits=("train", "test"), text=False):
        with tfds.core.registered.skip_registration():  # one for each test

            class Pictures(tfds.core.GeneratorBasedBuilder):
                """A data set of the test's own."""

                VERSION = tfds.core.Version("1.0.0")

                def _info(self):
                    label = tfds.features.Text() if text else tfds.features.ClassLabel(names=["owl", "ant"])
                    return self.dataset_info_from_configs(
                        features=tfds.features.FeaturesDict({"image": tfds.features.Image(), "label": label})
                    )

                def _split_generators(self, dl_manager):
                    return dict(
                        zip(splits, (self._generate_examples(images[s]) for s in ("train", "test")), strict=True)
                    )

                def _generate_examples(self, own):
                    for i, image in enumerate(own):
                        yield i, {"image": Image.fromarray(image), "label": ("owl", "ant")[i % 2]}

        builder = Pictures(data_dir=str(tmp_path), file_format=file_format)
        builder.download_and_prepare()
        return "tfds:pictures"

    return prepare


@pytest.mark.parametrize("text", [False, True])
def test_image_features_are_decoded_without_tensorflow(prepared, pixels, text):
    data = load(prepared(pixels, text=text))
    assert "tensorflow" not in sys.modules
    assert data.class_names == (("ant", "owl") if text else ("owl", "ant"))
    assert (data.pixel_mean, data.pixel_scale) == pytest.approx((pixels["train"].mean(), pixels["train"].std()))
    assert data.split_source == "the splits train and test of TensorFlow Datasets"
    for split, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        expected = (pixels[split].astype(float) - data.pixel_mean) / data.pixel_scale
        nearest = np.abs(images[:, None] - expected[None]).max((2, 3, 4))  # TFDS has shuffled them
        assert nearest.min(1).max() < 1e-5
        order = nearest.argmin(1)
        assert sorted(order.tolist()) == list(range(SIDES[split]))
        assert [data.class_names[c] for c in labels] == [("owl", "ant")[i % 2] for i in order]


def test_images_of_different_sizes_ask_for_a_size(prepared, pixels):
    name = prepared({"train": [*pixels["train"][:4], pixels["train"][4, :5]], "test": pixels["test"]})
    with pytest.raises(je.InputError, match=r"expected one size; give --dataset 'tfds:pictures\?size=32'"):
        load(name)
    assert load(f"{name}?size=4").train_images.shape == (5, 4, 4, 3)


def test_what_cannot_be_read_is_told(prepared, pixels):
    name = prepared(pixels, splits=("train", "validation"))
    with pytest.raises(je.InputError, match="has the splits train, validation; expected train and test"):
        load(name)


def test_other_formats_name_the_one_that_works(prepared, pixels, tmp_path):
    name = prepared(pixels)
    [info] = tmp_path.rglob("dataset_info.json")
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(je.InputError, match=r"cannot be read without TensorFlow .*; prepare it anew with file_format"):
        load(name)


@pytest.mark.skipif(bool(find_spec("tensorflow")), reason="TensorFlow is installed")
def test_preparing_that_needs_tensorflow_says_where_to_do_it(tmp_path, monkeypatch):
    """Builders that give arrays in place of image files have TensorFlow encode them."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    class Squares(tfds.core.GeneratorBasedBuilder):
        """A data set of the test's own."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"image": tfds.features.Image(shape=(6, 6, 1)), "label": tfds.features.ClassLabel(num_classes=2)}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(), "test": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"image": np.zeros((6, 6, 1), np.uint8), "label": 0}

    with pytest.raises(
        je.InputError, match=r"cannot be prepared here .*; prepare it once where TensorFlow is installed"
    ):
        load("tfds:squares", download=True)
