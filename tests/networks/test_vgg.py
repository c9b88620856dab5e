"""VGG and PyTorch's weights for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je
from jaxentropy.capture import sown
from jaxentropy.networks.vgg import VGG, VGG16, vgg16_variables

TINY = VGG(blocks=((4, 4), (6, 6, 5)), widths=(9, 8), num_classes=3, grid=2)


def torch_vgg(model):
    """torchvision's layers under torchvision's names, with random weights."""
    torch = pytest.importorskip("torch", reason="needs torch, to compare with")
    nn = torch.nn
    torch.manual_seed(5)
    features, channels = [], 3
    for sizes in model.blocks:
        for size in sizes:
            features += [nn.Conv2d(channels, size, 3, padding=1), nn.ReLU(inplace=True)]
            channels = size
        features.append(nn.MaxPool2d(2, 2))
    first, second = model.widths
    classifier = [nn.Linear(channels * model.grid**2, first), nn.ReLU(True), nn.Dropout()]
    classifier += [nn.Linear(first, second), nn.ReLU(True), nn.Dropout(), nn.Linear(second, model.num_classes)]

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.classifier = nn.Sequential(*features), nn.Sequential(*classifier)
            self.avgpool = nn.AdaptiveAvgPool2d((model.grid, model.grid))

        def forward(self, x):
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    return Whole().eval(), torch


@pytest.mark.parametrize("shape", [(8, 8), (12, 20), (7, 5)])  # of the grid's size, larger, not a multiple
def test_outputs_are_pytorchs(shape, rng):
    whole, torch = torch_vgg(TINY)
    variables = vgg16_variables(whole.state_dict(), TINY)
    images = rng.normal(size=(6, *shape, 3)).astype(np.float32)
    with torch.no_grad():
        x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        hidden = whole.classifier[0](torch.flatten(whole.avgpool(whole.features(x)), 1)).numpy()
        expected = whole(x).numpy()
    logits, layers = sown(TINY)(variables, jnp.asarray(images))
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(layers["fc1"], hidden, atol=1e-5)
    assert np.std(expected) > 0.01


def arrays(model, rng):
    """A state dict of arrays, from the shapes of PyTorch's layers by hand."""
    shapes = {"features.0": (4, 3, 3, 3), "features.2": (4, 4, 3, 3), "features.5": (6, 4, 3, 3),
              "features.7": (6, 6, 3, 3), "features.9": (5, 6, 3, 3),
              "classifier.0": (9, 20), "classifier.3": (8, 9), "classifier.6": (3, 8)}  # fmt: skip
    whole = {f"{name}.weight": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return whole | {f"{name}.bias": np.zeros(shape[0], np.float32) for name, shape in shapes.items()}


@pytest.mark.thorough
def test_fc_layers_are_found_and_recorded(rng):
    variables = vgg16_variables(arrays(TINY, rng), TINY)
    images = rng.normal(size=(60, 8, 8, 3)).astype(np.float32)
    for i in (1, 2):  # neurons that are on for some images and off for others
        seen = sown(TINY)(variables, jnp.asarray(images))[1][f"fc{i}"]
        variables["params"][f"dense{i}"]["bias"] = -np.asarray(seen).mean(0)
    recording = je.record(TINY, variables, [(images, np.arange(60) % 2)])
    assert recording.layers == ("fc1", "fc2")
    np.testing.assert_array_equal(recording.states("fc2"), sown(TINY)(variables, jnp.asarray(images))[1]["fc2"] > 0)
    # and without what the module sows
    table = je.layers(lambda own, x: TINY.apply(own, x), variables, images)
    assert [row["neurons"] for row in table if row["kind"] == "fc" and row["recorded"]] == [9, 8]
    assert [row["neurons"] for row in table if row["kind"] == "conv"] == [4, 4, 6, 6, 5]


def test_vgg16_has_torchvisions_sizes():
    """The number of parameters that torchvision's documentation gives."""
    shapes = jax.eval_shape(VGG().init, jax.random.key(0), jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32))
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"])) == 138_357_544
    assert shapes["params"]["dense1"]["kernel"].shape == (25088, 4096)
    assert sum(map(len, VGG16)) + 3 == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.0.weight": None}, "missing features.0.weight; left over nothing"),
        ({"features.1.running_mean": np.zeros(4)}, "missing nothing; left over features.1.running_mean"),
        ({"classifier.0.weight": np.zeros((9, 45))}, r"classifier.0.weight has shape \(9, 45\); expected \(9, 20\)"),
    ],
)
def test_other_state_dicts_are_refused(change, message, rng):
    given = {name: value for name, value in (arrays(TINY, rng) | change).items() if value is not None}
    with pytest.raises(je.InputError, match=message):
        vgg16_variables(given, TINY)


def test_small_images_are_refused():
    with pytest.raises(je.InputError, match="an image of 2×9 is too small for 2 poolings; expected at least 4 rows"):
        jax.eval_shape(TINY.init, jax.random.key(0), jnp.zeros((1, 2, 9, 3)))
