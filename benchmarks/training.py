"""Networks a minute: several small MLPs side by side, one by one, as the loop before did it, and in PyTorch."""

import importlib.util
import statistics
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.report import Options, Section, Target
from benchmarks.timing import interleaved, timed
from jaxentropy.datasets import Dataset
from jaxentropy.networks.epochs import Images, epoch_of_many, initial_state
from jaxentropy.networks.models import MLP
from jaxentropy.networks.training import Recipe, _settings, train

WIDTHS, IMAGES, BATCH, EPOCHS, NETWORKS = (64,) * 4, 4000, 64, 5, 4
CLASSES = 10
QUICK_IMAGES, QUICK_EPOCHS = 256, 1
SIDE_BY_SIDE, ALONE, TORCH = "side by side", "one by one", "PyTorch, one by one"
VMAPPED, FORMER = "in one vmapped program", "as the former loop did it"


def run(options: Options) -> Section:
    """The section."""
    images, epochs = (QUICK_IMAGES, QUICK_EPOCHS) if options.quick else (IMAGES, EPOCHS)
    data, recipe, model, seeds = _data(images, options.seed), Recipe(epochs, BATCH), MLP(WIDTHS), range(NETWORKS)
    ways = {
        SIDE_BY_SIDE: timed(lambda: train(model, data, tuple(seeds), recipe)),
        ALONE: timed(lambda: train(model, data, tuple(seeds), recipe, at_once=1)),
        VMAPPED: timed(lambda: _vmapped(model, data, recipe)),
        FORMER: timed(lambda: [_former(model, data, seed, epochs) for seed in seeds]),
    }
    if options.libraries and importlib.util.find_spec("torch") is not None:
        ways[TORCH] = timed(lambda: [_torch(data, seed, epochs) for seed in seeds])
    times = interleaved(ways, options.rounds or (1 if options.quick else 5), "training")
    section = Section("Training", {"widths": WIDTHS, "images": images, "epochs": epochs}, {"seconds": times})
    section.text.append(
        f"{NETWORKS} MLPs {'-'.join(map(str, WIDTHS))} from {NETWORKS} seeds, {epochs} epochs of {images} images each, "
        "with the test accuracy after each epoch; compiled programs are there already, but for the former loop, which "
        "compiled anew for each configuration, with the images as constants, and asked for accuracies one by one."
    )
    medians = {way: statistics.median(own) for way, own in times.items()}
    rows = [[way, f"{60 * NETWORKS / own:.0f}", f"{own:.2f}"] for way, own in medians.items()]
    section.table(["way", "networks a minute", "median s for all"], rows)
    # ratios of the same round, as everywhere
    section.targets = [
        Target(f"networks a minute, beside {other}", _ratio(times[other], times[SIDE_BY_SIDE]), least, at_most=False)
        for other, least in ((FORMER, 10), (ALONE, 1.5), (VMAPPED, None), (TORCH, None))
        if other in times
    ]
    return section


def _ratio(slow: list[float], fast: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def _data(n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    images, labels = rng.normal(size=(n, 28, 28, 1)).astype(np.float32), (np.arange(n) % CLASSES).astype(np.int32)
    return Dataset("noise", images, labels, images[: n // 4], labels[: n // 4], tuple(map(str, range(CLASSES))))


def _orders(n: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)[: n // BATCH * BATCH].reshape(-1, BATCH)


def _vmapped(model: MLP, data: Dataset, recipe: Recipe) -> Any:
    """As on an accelerator."""
    images = Images(*map(jnp.asarray, (data.train_images, data.test_images, data.test_labels)))
    each = [_settings(data, seed, recipe) for seed in range(NETWORKS)]
    states = [initial_state(model, own, images.train[:1]) for own in each]
    settings = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
    for epoch in range(recipe.epochs):
        rows = np.stack([_orders(len(data.train_labels), seed, epoch) for seed in range(NETWORKS)])
        states, results = epoch_of_many(model, images, settings, states, rows, epoch * rows.shape[1])
        np.asarray(results)
    return states


def _former(model: MLP, data: Dataset, seed: int, epochs: int) -> Any:
    """Images as constants of a program of its own, one for each configuration, and accuracies asked one by one."""
    images, labels = jnp.asarray(data.train_images), jnp.asarray(data.train_labels)
    steps = epochs * (len(labels) // BATCH)
    optimiser = optax.adam(optax.cosine_decay_schedule(1e-3, steps))
    variables = model.init(jax.random.key(seed), images[:1])["params"]

    def step(carry, rows):
        params, moments = carry

        def loss(own):
            logits: Any = model.apply({"params": own}, images[rows])
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows]).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        updates, moments = optimiser.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments), value

    epoch_of = jax.jit(lambda carry, orders: jax.lax.scan(step, carry, orders))

    @jax.jit
    def hits(params, x, y):
        logits: Any = model.apply({"params": params}, x)
        return (logits.argmax(-1) == y).mean()

    carry = variables, optimiser.init(variables)
    for epoch in range(epochs):
        carry, _ = epoch_of(carry, _orders(len(labels), seed, epoch))
        float(hits(carry[0], data.test_images, data.test_labels))
    return jax.block_until_ready(carry)


def _torch(data: Dataset, seed: int, epochs: int) -> None:
    """The plain loop that most people write."""
    torch: Any = importlib.import_module("torch")

    torch.manual_seed(seed)
    images, labels = torch.from_numpy(data.train_images.reshape(len(data.train_labels), -1)), data.train_labels
    targets, tested = torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(data.test_images).flatten(1)
    sizes, layers = (images.shape[1], *WIDTHS), []
    for before, after in pairwise(sizes):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(WIDTHS[-1], CLASSES))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * (len(labels) // BATCH))
    for epoch in range(epochs):
        for rows in torch.from_numpy(_orders(len(labels), seed, epoch)):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(images[rows]), targets[rows]).backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            float((model(tested).argmax(1).numpy() == data.test_labels).mean())
