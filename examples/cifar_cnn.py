"""The CNN of the package cifar-10-model, which tells ten kinds of photos apart, beside its untrained twin.

No package ships CIFAR-10's images. Without an argument the network sees random parts of scikit-learn's two photos, and
what is checked is that its first convolution does with them what it did in training. With CIFAR-10 at hand
(``python cifar_cnn.py tfds:cifar10``, or any other name of ``je.datasets.load``) its accuracy is checked.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from beside_twin import folder_of, show
from keras_weights import read_h5, untrained
from photos import parts_of_photos

import jaxentropy as je

ORDER = ("NHWC", "HWIO", "NHWC")


def network(variables, images):
    """Six convolutions, each with ReLU and batch normalisation, two hidden fully connected (FC) layers, ten logits."""
    x = images  # from 0 to 255
    for i, suffix in enumerate(("", "_1", "_2", "_3", "_4", "_5")):
        conv, norm = variables[f"conv2d{suffix}"], variables[f"batch_normalization{suffix}"]
        x = jax.nn.relu(convolved(x, conv))
        x = (x - norm["moving_mean"]) / jnp.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
        if i in (1, 3):
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.reshape(len(x), -1)
    for name in ("dense", "dense_1"):
        x = jax.nn.relu(x @ variables[name]["kernel"] + variables[name]["bias"])
    return x @ variables["dense_2"]["kernel"] + variables["dense_2"]["bias"]


def convolved(x, conv):
    """A convolution without padding, channels last."""
    return jax.lax.conv_general_dilated(x, conv["kernel"], (1, 1), "VALID", dimension_numbers=ORDER) + conv["bias"]


def main():
    """Weights, accuracy or what stands in for it, layers, profile, headline."""
    variables = read_h5(folder_of("cifar_10_model", "cifar-10-model==7.4.0") / "trained_models" / "cnn_model.h5")
    if len(sys.argv) > 1:
        data = je.datasets.load(sys.argv[1])
        images, labels, names = data.test_images, data.test_labels, data.class_names
        images = (images - images.min()) / np.ptp(images) * 255  # as they were
        found = np.concatenate([network(variables, images[i : i + 200]).argmax(1) for i in range(0, len(images), 200)])
        accuracy = np.mean(found == labels)
        if accuracy < 0.7:
            raise SystemExit(f"cifar_cnn: the accuracy is {accuracy:.4f}, expected 0.7 or more: is this CIFAR-10?")
        print(f"accuracy {accuracy:.4f} on {len(labels)} images\n")
    else:
        images, labels, names = parts_of_photos(500, seed=0)
        seen, kept = (
            jax.nn.relu(convolved(images, variables["conv2d"])),
            variables["batch_normalization"]["moving_mean"],
        )
        off = np.mean(np.abs(seen.mean((0, 1, 2)) - kept)) / kept.mean()
        if off > 0.3:
            raise SystemExit(f"cifar_cnn: the first convolution is {off:.0%} off what it was in training")
        print(f"accuracy unknown; means of the first convolution are {off:.0%} off those kept from training\n")
    print(je.layers(network, variables, images[:200]), "\n")
    batches = [(images[i : i + 200], labels[i : i + 200]) for i in range(0, len(labels), 200)]
    show(network, variables, untrained(variables, seed=0), batches, names)


if __name__ == "__main__":
    main()
