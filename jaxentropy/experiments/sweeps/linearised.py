"""What becomes of a trained network if the nonlinearity of one layer is left out: at once, and after retraining."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxentropy.datasets import Dataset
from jaxentropy.experiments.sweeps.grid import Network
from jaxentropy.networks.models import MLP, OneLinear
from jaxentropy.networks.training import Recipe, accuracy_of, train

# compiled for each shape, they would take longer than the products
_ON_HOST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def without_nonlinearity(network: Network, model: MLP, variables: Any, data: Dataset) -> dict[str, Any]:
    """Test accuracies by layer, as variables of the network's Dataset.

    ``linearised_accuracy``, nothing retrained; and with ``retrain_epochs``, ``retrained_accuracy`` beside
    ``retrained_control``, which was trained on for as long with all of its nonlinearities. A norm before a nonlinearity
    stays.
    """
    if network.norm == "none":
        at_once = _linearised(network, variables["params"], data)
    else:
        at_once = _linearised_with_norms(network, model, variables, data)
    found: dict[str, Any] = {"linearised_accuracy": ("layer", at_once)}
    if network.retrain_epochs:
        accuracies = _retrained(network, model, variables, data)
        found |= {"retrained_control": ((), accuracies[0]), "retrained_accuracy": ("layer", accuracies[1:])}
    return found


def _linearised_with_norms(network: Network, model: MLP, variables: Any, data: Dataset) -> np.ndarray:
    linear, starts = _without_each(network, model, variables)
    return np.array([accuracy_of(linear, own, data.test_images, data.test_labels) for own in starts[1:]])


def _without_each(network: Network, model: MLP, variables: Any) -> tuple[OneLinear, list[Any]]:
    """The module, and the variables of the whole network and of those without the nonlinearity of each layer."""
    linear = OneLinear(model.widths, model.num_classes, model.activation, model.norm, model.dropout)
    return linear, [dict(variables) | {"linear": {"layer": jnp.int32(k)}} for k in range(network.depth + 1)]


def _linearised(network: Network, params: Any, data: Dataset) -> np.ndarray:
    act = _ON_HOST[network.activation]
    accuracies = np.empty(network.depth)
    layers = jax.tree.map(np.asarray, [params[f"dense{i}"] for i in range(1, network.depth + 1)] + [params["output"]])
    before = data.test_images.reshape(len(data.test_images), -1)
    for k in range(network.depth):
        seen = x = before @ layers[k]["kernel"] + layers[k]["bias"]
        for layer in layers[k + 1 : -1]:
            x = act(x @ layer["kernel"] + layer["bias"])
        logits = x @ layers[-1]["kernel"] + layers[-1]["bias"]
        accuracies[k] = (logits.argmax(-1) == data.test_labels).mean()
        before = act(seen)
    return accuracies


def _retrained(network: Network, model: MLP, variables: Any, data: Dataset) -> np.ndarray:
    """``float[depth + 1]``: first with all nonlinearities, then without each."""
    linear, starts = _without_each(network, model, variables)
    recipe = replace(recipe_of(network), epochs=network.retrain_epochs)
    trained = train(linear, data, [network.seed] * len(starts), recipe, start=starts, at_once=1)
    return trained.test_accuracy[:, -1].astype(float)


def recipe_of(network: Network) -> Recipe:
    """How it is trained."""
    return Recipe(
        network.epochs, network.batch_size, network.learning_rate, network.weight_decay, network.init_scale,
        network.label_noise,
    )  # fmt: skip
