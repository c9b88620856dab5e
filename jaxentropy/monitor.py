"""Watching a training: the same inputs through a network, step after step, in one Dataset."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from jaxentropy.base.arrays import Array
from jaxentropy.base.batches import pairs
from jaxentropy.base.errors import InputError
from jaxentropy.base.streams import Stream
from jaxentropy.capture.calls import variables_of
from jaxentropy.capture.meeting import Met, has_own_variables, met_with
from jaxentropy.capture.taps import Tapped, Wanted
from jaxentropy.counting.watching import Watched
from jaxentropy.profiling.growing import BETWEEN, Growing, renamed
from jaxentropy.profiling.profiler import profile
from jaxentropy.profiling.quick import quick_profile, quick_quantities
from jaxentropy.profiling.storage import load_profile, save_profile
from jaxentropy.recording import recorder
from jaxentropy.recording.recording import checked_labels, class_names_of
from jaxentropy.recording.states import Quantizer, Sign


class Monitor:
    """Watch a network while it is trained: profiles of the same inputs, appended along ``step``.

    >>> def network(variables, inputs):
    ...     hidden = jax.nn.relu(inputs @ variables["fc1"])
    ...     return hidden @ variables["output"]
    >>> batches = [(np.array([[1.0, -1.0], [-1.0, 1.0], [2.0, 1.0]]), np.array([0, 1, 1]))]
    >>> monitor = je.Monitor(network, batches)
    >>> for step in range(2):
    ...     variables = {"fc1": np.eye(2) * (1 - step), "output": np.ones((2, 1))}  # here it would be trained
    ...     measured = monitor(step, variables)
    >>> monitor.profile.neuron_information.values.round(2)  # by step and layer
    array([[0.58], [0.  ]])

    ``monitor(step, variables)`` measures where it is due, and says whether it did. Of an NNX or Equinox model it is
    ``monitor(step, model)``: the same object with another state, or another of the same structure; an NNX model that
    was given at the start may be left out. A call is due if ``step`` is at least ``every`` beyond the last one that
    was measured; one that is not costs nothing. The batches are read once and stay on the device; the first call that
    measures compiles, later ones do not. A few large batches are faster than many small ones.

    Args:
        network: as for ``je.record``; a function must get what is trained as its variables.
        batches: as for ``je.record``.
        every: least distance of measured steps.
        fast: only what is cheap: entropies and information of neurons, neurons that never or always fire, different
            patterns, and the plug-in entropy and coverage of the joint pattern. False gives the whole profile.
        options: for ``je.profile`` where not ``fast``, for example ``{"bounds": True}``.
        resume: what ``save`` wrote (a file, or its Dataset): the monitor goes on from there. A file that is not there
            yet is no error. If training goes on from an earlier step, later saved ones are dropped.
        layers: as for ``je.record``.
        positions: as for ``je.record``.
        keys: as for ``je.record``.
        labels: as for ``je.record``.
        quantizer: how activations become states.
        class_names: as for ``je.record``.
        exhaustive: as for ``je.record``: every profile is the whole one, exact, whether ``fast`` or not.
        weights: as for ``je.record``.
        keywords: for the network's call, for example ``train=False``.

    Raises:
        InputError: no batches, steps that do not rise, variables of another structure, a saved profile of other
            inputs, layers or settings; as ``je.record``.
    """

    def __init__(
        self,
        network: Any,
        batches: Iterable[Any],
        *,
        every: int = 1,
        fast: bool = True,
        options: Mapping[str, Any] | None = None,
        resume: xr.Dataset | str | os.PathLike | None = None,
        layers: Wanted = None,
        positions: str | None = None,
        keys: tuple[str, str] | None = None,
        labels: Any = None,
        quantizer: Quantizer = Sign(),  # noqa: B008 - immutable
        class_names: Iterable[Any] | None = None,
        exhaustive: bool = False,
        weights: Array | Sequence[float] | None = None,
        **keywords: Any,
    ):
        if every < 1:
            raise InputError(f"every is {every}; expected 1 or more")
        if options and fast:
            raise InputError("options are for the whole profile; say fast=False, or leave them out")
        if isinstance(batches, Stream):
            raise InputError("a monitor sees the same inputs each time; give batches, not a stream")
        self._network, self._every = network, every
        self._quick = fast and not exhaustive and weights is None
        self._options = {"bounds": False, "bootstrap": 0} if fast else dict(options or {})
        self._wanted = (layers, positions, keywords)
        self._quantizer = quantizer
        self._recorded: dict[str, Any] = {"exhaustive": exhaustive, "weights": weights}
        self._watched, self._names, self._inputs = _held(batches, keys, labels, class_names)
        self._met: Met | None = None
        self._shapes: Any = None
        self._growing, self._resumed = _resumed(resume)
        self._checked = False
        self._latest = self._growing.steps[-1] if self._growing and self._growing.steps else None

    def __call__(self, step: int, variables: Any = None) -> bool:
        step = int(step)
        if self._resumed and self._growing is not None:
            self._growing.cut(step)  # training may have gone back to an earlier step
            self._latest, self._resumed = None, False
        steps = self._growing.steps if self._growing is not None else []
        if self._latest is not None and step <= self._latest:
            raise InputError(f"step {step} after step {self._latest}; expected steps that rise")
        due = not steps or step >= steps[-1] + self._every
        if due:
            self._measure(step, variables)
        self._latest = step
        return due

    @property
    def profile(self) -> xr.Dataset:
        """All steps so far, a Dataset like that of ``je.profile`` with the dimension ``step`` in front.

        What the whole profile says of steps from one layer to the next stands along ``layer_step``.
        """
        if self._growing is None:
            raise InputError("nothing has been measured yet; call the monitor first: monitor(step, variables)")
        return self._growing.dataset()

    def at(self, step: int) -> xr.Dataset:
        """The profile of one step, as ``je.profile`` gives it."""
        whole = self.profile
        if step not in whole.step.values:
            raise InputError(f"step {step} was not measured; there are {', '.join(map(str, whole.step.values))}")
        one = whole.sel(step=step, drop=True)
        return one.rename({BETWEEN: "step"}) if BETWEEN in one.dims else one

    def save(self, path: str | os.PathLike) -> None:
        """Write all steps so far to a file that ``je.load_profile`` and ``resume`` read."""
        save_profile(self.profile, path)

    def _measure(self, step: int, given: Any) -> None:
        """Append the numbers of one step."""
        met, variables = self._variables(given)
        if self._quick:
            counts = self._watched.count(variables, f" at step {step}")
            cell = quick_quantities(counts, self._widths)
            if not self._checked:
                found = quick_profile(cell, counts.n, self._layers, self._widths, self._names, self._quantizer)
                self._begin(found)
            values = {name: own for name, (_, own) in cell.items()}
        else:
            recording = recorder.record(
                met.apply_fn, variables, self._watched.pairs, layers=self._layers, quantizer=self._quantizer,
                class_names=self._names, meta=met.meta, **self._recorded,
            )  # fmt: skip
            found = renamed(profile(recording, **self._options))
            self._begin(found)
            values = {str(name): own.values for name, own in found.data_vars.items()}
        assert self._growing is not None
        self._growing.append(step, values)

    def _begin(self, found: xr.Dataset) -> None:
        """With the first profile: check that it continues the saved one, or begin."""
        if self._checked:
            return
        found = found.assign_attrs(inputs=self._inputs)
        if self._growing is None:
            self._growing = Growing(found)
        self._growing.check(found)
        self._checked = True

    def _variables(self, given: Any) -> tuple[Met, Any]:
        """The network as the heart takes it, met at the first call, and these variables, checked to fit it."""
        has_own = has_own_variables(self._network)
        model = self._network if has_own and given is None else given
        if model is None:
            raise InputError(
                "a monitor needs what is trained: monitor(step, variables); what a function closes over is built into "
                "its program and would never change"
            )
        if self._met is None:
            first = self._watched.first
            wanted, positions, keywords = self._wanted
            met = met_with(*((model, None) if has_own else (self._network, model)), first, wanted, positions, keywords)
            self._layers, self._widths = self._watched.prepare(
                met.apply_fn, met.variables, met.layers, self._quantizer, positions
            )
            self._met, self._shapes = met, _shapes_of(met.variables)
            return met, met.variables
        met = self._met
        own = variables_of(met.apply_fn.call, model) if has_own and isinstance(met.apply_fn, Tapped) else model
        if _shapes_of(own) != self._shapes:
            raise InputError(
                "these variables have another structure, other shapes or types than those of the first call; a monitor "
                "watches one network: make another one for another"
            )
        return met, own


def _shapes_of(variables: Any) -> Any:
    """Structure, shapes and types, to be compared."""
    leaves, tree = jax.tree.flatten(variables)
    return tree, [(np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves]


def _held(
    batches: Iterable[Any], keys: tuple[str, str] | None, labels: Any, class_names: Iterable[Any] | None
) -> tuple[Watched, tuple[str, ...], str]:
    """The batches on the device, names of the classes, and a digest of inputs and labels."""
    every = pairs(batches, keys, labels, None if class_names is None else list(class_names))
    read = [(inputs, own) for inputs, own in every if len(own)]
    if not read:
        raise InputError("no batch was given; expected pairs of inputs and labels")
    numbers = checked_labels(np.concatenate([own for _, own in read]))
    if every.named and class_names is None:  # their order must not hang on who comes first
        order = np.argsort(every.names)
        numbers = np.argsort(order).astype(np.int32)[numbers]
        names = tuple(every.names[i] for i in order)
    else:
        fixed = None if class_names is None else every.names
        names = class_names_of(fixed, int(numbers.max()))
        checked_labels(numbers, len(names))
    digest = hashlib.blake2b(numbers.tobytes(), digest_size=16)
    for inputs, _ in read:
        digest.update(np.ascontiguousarray(inputs).tobytes())
    ends = np.cumsum([len(own) for _, own in read])[:-1]
    laid = [(inputs, own) for (inputs, _), own in zip(read, np.split(numbers, ends), strict=True)]
    return Watched(laid, len(names)), names, digest.hexdigest()


def _resumed(saved: xr.Dataset | str | os.PathLike | None) -> tuple[Growing | None, bool]:
    """What goes on from a saved Dataset, if there is one."""
    if saved is None or (not isinstance(saved, xr.Dataset) and not os.path.exists(saved)):
        return None, False
    dataset = saved if isinstance(saved, xr.Dataset) else load_profile(saved)
    if "step" not in dataset.dims or "inputs" not in dataset.attrs or not dataset.sizes["step"]:
        raise InputError("the saved profile is no monitor's: it has no steps of training; give what monitor.save wrote")
    return Growing.of(dataset), True
