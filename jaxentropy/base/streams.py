"""Streams: populations that can be asked for as many independent draws as one likes, inside a compiled program."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxentropy.base.errors import InputError

Draw = Callable[[jax.Array, jax.Array, Any], jax.Array]


@dataclass(frozen=True, eq=False)
class Stream:
    """A population of each class: ``draw(key, label, data)`` gives one input, another one for each key.

    >>> def noisy(key, label, centres):  # one input of a class
    ...     return centres[label] + jax.random.normal(key, (2,))
    >>> stream = je.Stream(noisy, np.eye(2), class_names=["left", "right"], text="two Gaussians")
    >>> counted = je.tally(lambda _, inputs: (inputs, {"fc1": inputs}), None, stream, until=1000)
    >>> counted.n, counted.on[0].sum(1) > 1000  # 1,000 draws of each class
    (2000, array([ True,  True]))

    Draws are made where the network runs: nothing but their number travels. A draw depends on the stream's seed, its
    class and its number alone, not on the size of batches or the devices.

    Attributes:
        draw: traceable by ``jax.jit`` and ``jax.vmap``; give the same function again and nothing is compiled again.
        data: what it draws from, any pytree of arrays; handed to the compiled program, not built into it.
        class_names: a name for each class that ``draw`` knows, label 0 first.
        text: what the population is, in a few words; it stands beside every result.
        seed: of the draws.
    """

    draw: Draw
    data: Any
    class_names: Sequence[Any]
    text: str
    seed: int = 0

    def __post_init__(self):
        names = tuple(str(name) for name in self.class_names)
        if not names or len(set(names)) != len(names):
            raise InputError(f"a stream needs one or more class names, each once; got {', '.join(names) or 'none'}")
        object.__setattr__(self, "class_names", names)
        if not self.text:
            raise InputError("a stream needs a text that says what it draws from")

    def through(self, apply_fn: Callable[[Any, Any], Any]) -> "Drawn":
        """The network from numbers of draws to activations; its variables are ``(variables, self.data)``."""
        return Drawn(self.draw, apply_fn, self.seed)

    def numbers(
        self, labels: Sequence[int], start: int, stop: int, size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of draws ``start`` to ``stop`` of each class: ``uint32[size, 2]`` of label and number, and labels.

        Raises:
            InputError: more draws than 32 bits can number.
        """
        if stop > 1 << 32:
            raise InputError(f"a stream has 2^32 draws of a class; {stop} were asked for (take another seed for more)")
        for first in range(start, stop, size):
            numbers = np.arange(first, min(first + size, stop), dtype=np.uint32)
            for label in labels:
                yield (
                    np.stack([np.full(len(numbers), label, np.uint32), numbers], axis=1),
                    np.full(len(numbers), label, np.int32),
                )


@dataclass(frozen=True)
class Drawn:
    """A network behind a stream's draws; equal ones share a compiled program."""

    draw: Draw
    apply_fn: Callable[[Any, Any], Any]
    seed: int

    def __call__(self, variables: Any, numbers: jax.Array) -> Any:
        """As ``apply_fn``, of the draws with these labels and numbers ``uint32[n, 2]``."""
        own, data = variables
        root = jax.random.key(self.seed)

        def one(number):
            key = jax.random.fold_in(jax.random.fold_in(root, number[0]), number[1])
            return self.draw(key, number[0].astype(np.int32), data)

        return self.apply_fn(own, jax.vmap(one)(numbers))
