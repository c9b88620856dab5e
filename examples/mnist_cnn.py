"""The CNN of the package digit-recognizer-py, which reads handwritten digits, beside its untrained twin."""

import jax
import jax.numpy as jnp
import numpy as np
from beside_twin import folder_of, show
from torch_weights import read_state_dict

import jaxentropy as je

CONVOLUTIONS = ("conv_layers.0", "conv_layers.3", "conv_layers.6")


def network(variables, images):
    """Three convolutions with max-pooling, a hidden fully connected (FC) layer, ten logits.

    Beside the logits it gives what the FC layer gets, the pooled ReLU outputs, and the FC layer's pre-activations.
    """
    x = images
    for name in CONVOLUTIONS:
        kernel, bias = variables[f"{name}.weight"], variables[f"{name}.bias"]
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME")  # PyTorch's order: image, channel, row, column
        x = jax.nn.relu(x + bias[:, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    features = x.reshape(len(x), -1)
    fc1 = features @ variables["fc_layers.0.weight"].T + variables["fc_layers.0.bias"]
    logits = jax.nn.relu(fc1) @ variables["fc_layers.2.weight"].T + variables["fc_layers.2.bias"]
    return logits, {"features": features, "fc1": fc1}


def untrained(variables, seed):
    """The same shapes as PyTorch draws them at first: uniform within ±1/√(inputs of a neuron)."""
    rng = np.random.default_rng(seed)
    twin = {}
    for name, trained in variables.items():
        inputs = np.prod(variables[name.replace("bias", "weight")].shape[1:])
        twin[name] = (rng.uniform(-1, 1, trained.shape) / np.sqrt(inputs)).astype(np.float32)
    return twin


def main():
    """Weights, accuracy, layers, profile, headline."""
    folder = folder_of("digit_recognizer", "digit-recognizer-py==0.1.0")
    variables = read_state_dict(folder / "models" / "handwriting_model.pth")
    digits = je.datasets.load("mnist5k")
    images, labels = map(np.concatenate, zip(*digits.batches("all", 500), strict=True))
    pixels = (images - images.min()) / np.ptp(images)  # 0 is black and 1 white, as they were
    images = ((pixels - 0.1307) / 0.3081).astype(np.float32).transpose(0, 3, 1, 2)
    batches = [(images[i : i + 500], labels[i : i + 500]) for i in range(0, len(labels), 500)]
    run = jax.jit(network)
    accuracy = np.mean([run(variables, x)[0].argmax(1) == y for x, y in batches])
    if accuracy < 0.99:
        raise SystemExit(f"mnist_cnn: the accuracy is {accuracy:.4f}, expected 0.99 or more: other weights or images")
    print(f"accuracy {accuracy:.4f} on {len(labels)} digits\n")
    print(je.layers(lambda v, x: network(v, x)[0], variables, images[:500]), "\n")
    show(network, variables, untrained(variables, seed=0), batches, digits.class_names)


if __name__ == "__main__":
    main()
