"""What a monitor that is called once an epoch adds to the epoch of a small MLP."""

import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxentropy as je
from benchmarks.report import Options, Section, Target
from benchmarks.timing import interleaved, milliseconds, timed
from jaxentropy.networks.models import MLP

WIDTHS, IMAGES, BATCH, WATCHED = (128,) * 6, 4000, 64, (100, 250, 500, 4000)
TARGETED = 500
QUICK_WIDTHS, QUICK_IMAGES, QUICK_WATCHED = (8, 8), 256, (64,)
EPOCH = "an epoch of training"


def run(options: Options) -> Section:
    """The section."""
    widths, count, watched = (QUICK_WIDTHS, QUICK_IMAGES, QUICK_WATCHED) if options.quick else (WIDTHS, IMAGES, WATCHED)
    rng = np.random.default_rng(options.seed)
    images, labels = rng.normal(size=(count, 784)).astype(np.float32), np.arange(count) % 10
    model = MLP(widths)
    params = model.init(jax.random.key(options.seed), images[:1])["params"]
    epoch, steps = _epoch(model, images, labels), count // BATCH

    def trained() -> None:
        jax.block_until_ready(epoch(params))

    ways, monitors = {EPOCH: timed(trained)}, {}
    for inputs in watched:
        monitor = monitors[inputs] = je.Monitor(model, [(images[:inputs], labels[:inputs])])

        def call(monitor=monitor, taken=iter(range(1 << 30))) -> None:  # noqa: B008 - a monitor's own steps
            monitor(next(taken), {"params": params})

        ways[f"a call with {inputs} inputs"] = timed(call)
        ways[f"forward pass of {inputs} inputs, without a monitor"] = timed(_forward(model, params, images[:inputs]))
    times = interleaved(ways, options.rounds or (1 if options.quick else 15), "monitor")
    section = Section("A monitor", {"widths": widths, "images": count, "steps": steps}, {"seconds": times})
    section.text.append(
        f"An MLP {'-'.join(map(str, widths))}, an epoch of {steps} steps of {BATCH} images in one compiled program "
        "(the arithmetic alone: no loading, no evaluation), and one call of a monitor between two epochs."
    )
    section.table(["what", "median ms", "range ms"], [[way, *milliseconds(own)] for way, own in times.items()])
    whole = statistics.median(times[EPOCH])
    section.targets = [
        Target(
            f"a call with {inputs} inputs, of an epoch",
            100 * statistics.median(times[f"a call with {inputs} inputs"]) / whole,
            3 if inputs == TARGETED else None,
            unit=" %",
        )
        for inputs in watched
    ]
    return section


def _forward(model: MLP, params: Any, images: np.ndarray) -> Callable[[], jax.Array]:
    """The least that any watching costs."""
    forward, on_device = jax.jit(model.apply), jnp.asarray(images)
    return lambda: forward({"params": params}, on_device)


def _epoch(model: MLP, images: np.ndarray, labels: np.ndarray):
    """An epoch of Adam from these parameters, compiled."""
    optimiser, size = optax.adam(1e-3), len(images) // BATCH * BATCH
    batches = images[:size].reshape(-1, BATCH, images.shape[1]), labels[:size].reshape(-1, BATCH)

    def step(carry, batch):
        params, state = carry

        def loss(own):
            logits: Any = model.apply({"params": own}, batch[0])
            return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

        updates, state = optimiser.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def epoch(params, batches):
        return jax.lax.scan(step, (params, optimiser.init(params)), batches)[0][0]

    on_device = jax.tree.map(jnp.asarray, batches)
    return lambda params: epoch(params, on_device)
