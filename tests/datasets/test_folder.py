"""Folders of images, against Pillow by hand."""

import numpy as np
import pytest
from PIL import Image

import jaxentropy as je
from jaxentropy.datasets import load


def write_images(folder, pixels_by_class, suffix="png"):
    for class_name, images in pixels_by_class.items():
        (folder / class_name).mkdir(parents=True)
        for i, pixels in enumerate(images):
            Image.fromarray(pixels).save(folder / class_name / f"{i:03d}.{suffix}")


def grey(rng, n, h=6, w=5):
    return rng.integers(0, 256, (n, h, w)).astype(np.uint8)


def by_hand(data, images):
    """Standardised as the data set says it did."""
    return (np.asarray(images, float) - data.pixel_mean) / data.pixel_scale


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_folders_of_both_splits(tmp_path, rng, suffix):
    parts = {split: {"cat": grey(rng, n), "ant": grey(rng, n + 1)} for split, n in (("train", 4), ("test", 2))}
    for split, pixels in parts.items():
        write_images(tmp_path / split, pixels, suffix)
    (tmp_path / "train" / "cat" / ".hidden.png").write_text("no image")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    data = load(f"folder:{tmp_path}")
    assert data.class_names == ("ant", "cat")
    assert data.train_labels.tolist() == [0] * 5 + [1] * 4
    assert data.test_labels.tolist() == [0] * 3 + [1] * 2
    read = {
        split: np.stack([np.array(Image.open(p)) for p in sorted((tmp_path / split).rglob(f"[0-9]*.{suffix}"))])
        for split in parts
    }
    if suffix != "jpg":
        np.testing.assert_array_equal(read["train"][:5], parts["train"]["ant"])
    assert data.pixel_mean == pytest.approx(read["train"].mean())
    assert data.pixel_scale == pytest.approx(read["train"].std())
    for split, images in (("train", data.train_images), ("test", data.test_images)):
        np.testing.assert_allclose(images[..., 0], by_hand(data, read[split]), atol=1e-5)
    assert data.split_source == "the folders train and test"


def test_without_splits_a_fifth_of_each_class_is_the_test_set(tmp_path, rng):
    pixels = {"b": grey(rng, 10), "a": grey(rng, 25)}
    write_images(tmp_path, pixels)
    data = load(f"folder:{tmp_path}")
    assert (np.bincount(data.train_labels).tolist(), np.bincount(data.test_labels).tolist()) == ([20, 8], [5, 2])
    assert "a fifth of each class to test, by the fixed seed" in data.split_source
    for label, name in enumerate("ab"):  # each image once, in one of the two
        own = [data.train_images[data.train_labels == label], data.test_images[data.test_labels == label]]
        found = np.concatenate(own)[..., 0].reshape(len(pixels[name]), -1)
        expected = by_hand(data, pixels[name]).reshape(len(pixels[name]), -1)
        np.testing.assert_allclose(found[np.argsort(found[:, 0], kind="stable")].sum(), expected.sum(), atol=1e-2)
        distance = np.abs(found[:, None] - expected[None]).max(-1)
        assert sorted(distance.argmin(1).tolist()) == list(range(len(expected)))
        assert distance.min(1).max() < 1e-5
    again = load(f"folder:{tmp_path}")
    assert again.digest() == data.digest()


def test_grey_palette_and_colour_side_by_side(tmp_path, rng):
    colours = rng.integers(0, 256, (5, 4, 4, 3)).astype(np.uint8)
    write_images(tmp_path, {"colour": colours, "grey": grey(rng, 5, 4, 4)})
    Image.fromarray(colours[0]).quantize(8).save(tmp_path / "grey" / "005.png")
    Image.fromarray(np.concatenate([colours[1, ::-1], colours[1, ..., :1]], -1)).save(tmp_path / "grey" / "006.png")
    data = load(f"folder:{tmp_path}")
    assert data.train_images.shape == (10, 4, 4, 3)
    files = [*sorted((tmp_path / "colour").iterdir()), *sorted((tmp_path / "grey").iterdir())]
    expected = by_hand(data, [np.array(Image.open(path).convert("RGB")) for path in files])
    found = np.concatenate([data.train_images, data.test_images])
    distance = np.abs(found[:, None] - expected[None]).max((2, 3, 4))
    assert sorted(distance.argmin(1).tolist()) == list(range(12))
    assert distance.min(1).max() < 1e-5


def test_sixteen_bits_keep_their_depth(tmp_path, rng):
    deep = rng.integers(0, 65536, (10, 4, 4)).astype(np.uint16)
    write_images(tmp_path, {"a": deep[:5], "b": deep[5:]})
    data = load(f"folder:{tmp_path}")
    pixels = np.concatenate([data.train_images, data.test_images]) * data.pixel_scale + data.pixel_mean
    np.testing.assert_allclose(np.sort(pixels, None), np.sort(deep, None), atol=0.05)
    write_images(tmp_path, {"c": grey(rng, 5, 4, 4)})
    with pytest.raises(je.InputError, match="more than 8 bits a pixel and others have not"):
        load(f"folder:{tmp_path}")


def test_a_size_scales_and_cuts(tmp_path, rng):
    write_images(tmp_path, {"a": [*grey(rng, 4, 12, 8), *grey(rng, 1, 8, 8)], "b": grey(rng, 5, 4, 4)})
    with pytest.raises(je.InputError, match=r"a.000.png is 8 × 12 pixels, a.004.png is 8 × 8; .*\?size=32"):
        load(f"folder:{tmp_path}")
    data = load(f"folder:{tmp_path}?size=4")
    assert data.train_images.shape[1:] == (4, 4, 1)
    whole = Image.open(tmp_path / "a" / "000.png")
    expected = np.array(whole.resize((4, 4), Image.Resampling.BILINEAR, box=(0, 2, 8, 10)))
    found = np.concatenate([data.train_images, data.test_images])[..., 0]
    assert np.abs(found - by_hand(data, expected)).max((1, 2)).min() < 1e-5
    for wrong in ("0", "x", ""):
        with pytest.raises(je.InputError, match="expected a number of pixels"):
            load(f"folder:{tmp_path}?size={wrong}")


def damaged(folder, rng):
    write_images(folder, {"a": grey(rng, 5, 40, 40), "b": grey(rng, 5, 40, 40)})
    path = folder / "b" / "003.png"
    path.write_bytes(path.read_bytes()[:400])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder, rng: folder.rmdir(), r"no folder .*; expected DIR/CLASS/\*\.png"),
        (lambda folder, rng: None, "holds no folders of images"),
        (lambda folder, rng: (folder / "a").mkdir(), "a holds no images that Pillow can read"),
        (lambda folder, rng: write_images(folder, {"a": grey(rng, 9)}), r"of one class \(a\); expected two or more"),
        (lambda folder, rng: write_images(folder, {"a": grey(rng, 4), "b": grey(rng, 4)}), "no test images, since no"),
        (damaged, r"b.003\.png is damaged or no image \(image file is truncated"),
        (
            lambda folder, rng: write_images(folder / "train", {"a": grey(rng, 2)}),
            "but no folder test; add it, or give",
        ),
        (
            lambda folder, rng: [
                write_images(folder / split, {name: grey(rng, 2) for name in names})
                for split, names in (("train", "ab"), ("test", "abz"))
            ],
            "test images of z have no training images",
        ),
    ],
)
def test_refuses(tmp_path, rng, make, message):
    folder = tmp_path / "images"
    folder.mkdir()
    make(folder, rng)
    with pytest.raises(je.InputError, match=message):
        load(f"folder:{folder}")
