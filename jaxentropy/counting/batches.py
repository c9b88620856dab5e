"""Batches through a network → a Tally, or the Recording of their bits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxentropy.base.batches import how_many
from jaxentropy.counting.fingerprints import fingerprint
from jaxentropy.counting.neurons import add_neurons, by_neuron, no_neurons
from jaxentropy.counting.tallies import Tally
from jaxentropy.recording.forward import ApplyFunction, Gathered, Step, drive, layers_of, peeked
from jaxentropy.recording.packing import words_for
from jaxentropy.recording.recorder import record
from jaxentropy.recording.recording import Recording, checked_labels
from jaxentropy.recording.states import Quantizer


@dataclass(frozen=True)
class Counting:
    """How to count, whatever is counted."""

    apply_fn: ApplyFunction
    layers: Sequence[str] | None
    quantizer: Quantizer
    mesh: jax.sharding.Mesh | None
    seed: int
    positions: str | None = None

    def bits(self, variables: Any, batches: Iterable[tuple[Any, Any]], names: Sequence[str]) -> Recording | None:
        """The Recording of these batches; None if there are none."""
        for first in (every := iter(batches)):
            return record(
                self.apply_fn, variables, chain([first], every), layers=self.layers, quantizer=self.quantizer,
                class_names=names, mesh=self.mesh, positions=self.positions,
            )  # fmt: skip
        return None

    def count(self, variables: Any, batches: Iterable[tuple[Any, Any]], names: Sequence[str], progress: bool) -> Tally:
        """The Tally of these batches."""
        gathered = Gathered(batches, "give fewer inputs, or merge the tallies of parts")
        number = how_many(batches)
        (inputs, _), batches = peeked(batches)
        order = layers_of(self.apply_fn, variables, inputs, self.layers, self.positions)
        step = _Counts(*order, self.apply_fn, self.quantizer, self.positions, len(names), self.seed)
        carry = tuple(no_neurons(len(names), words_for(width), np.iinfo(np.int32).max) for width in step.widths)
        checked = ((x, checked_labels(np.asarray(y), len(names))) for x, y in batches)
        totals = carry
        bar = {"desc": "counting", "total": number} if progress else None
        for own_labels, own_prints, carried in drive(step, carry, variables, checked, mesh=self.mesh, bar=bar):
            gathered.add((own_labels, *own_prints))
            totals = carried
        labels, *prints = gathered.arrays()
        if self.mesh is not None:
            totals = jax.tree.map(lambda a: np.asarray(a).sum(0), totals)
        on = tuple(
            np.asarray(by_neuron(jnp.asarray(np.asarray(total)), width)).astype(np.int64)
            for total, width in zip(totals, step.widths, strict=True)
        )
        return Tally(step.layers, step.widths, on, tuple(prints), labels, tuple(names), {"hash_seed": self.seed})


@dataclass(frozen=True)
class _Counts(Step):
    """The step that adds neurons up and returns fingerprints."""

    num_classes: int
    seed: int

    def step_outputs(self, carry, words, labels, real):
        labels = jnp.where(real, labels, self.num_classes)
        totals = tuple(add_neurons(total, own, labels) for total, own in zip(carry, words, strict=True))
        return totals, tuple(fingerprint(own, self.seed) for own in words)
