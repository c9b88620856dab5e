"""A profile that grows along ``step``: arrays are kept, and a Dataset is made of them when it is asked for."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from jaxentropy.base.errors import InputError

BETWEEN = "layer_step"
"""What a profile calls ``step``, from a layer to the next, has this name beside the steps of training."""
FIXED = ("n", "pattern_ceiling")
"""Variables of the inputs alone, which no step of training changes."""
_TOLD = ("layer", "class", "estimator", "width", BETWEEN)


class Growing:
    """Profiles of the same inputs at rising steps, put together along ``step``.

    Args:
        first: the profile of the first step; later ones have the same variables, coordinates and attributes.
    """

    def __init__(self, first: xr.Dataset):
        first = renamed(first)
        self._outline = first.drop_vars([name for name in first.data_vars if name not in FIXED])
        self._attrs = {str(name): dict(own.attrs) for name, own in first.data_vars.items()}
        self._dims = {str(name): own.dims for name, own in first.data_vars.items() if name not in FIXED}
        self._steps: list[int] = []
        self._whole: dict[str, np.ndarray] = {}
        self._further: list[Mapping[str, np.ndarray]] = []

    @classmethod
    def of(cls, saved: xr.Dataset) -> "Growing":
        """What goes on from a saved one."""
        made = cls(saved.isel(step=0, drop=True))
        made._steps = [int(step) for step in saved.step.values]
        made._whole = {name: saved[name].transpose("step", *made._dims[name]).values for name in made._dims}
        return made

    @property
    def steps(self) -> list[int]:
        """The steps there are, rising."""
        return self._steps

    def append(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        """One more step: the values of every variable (others are not looked at)."""
        self._further.append({name: np.asarray(values[name]) for name in self._dims})
        self._steps.append(step)

    def cut(self, step: int) -> None:
        """Forget this step and all later ones."""
        kept = sum(own < step for own in self._steps)
        self._whole = {name: values[:kept] for name, values in self._together().items()}
        self._steps = self._steps[:kept]

    def dataset(self) -> xr.Dataset:
        """All steps as one Dataset."""
        made = {name: (("step", *self._dims[name]), v, self._attrs[name]) for name, v in self._together().items()}
        return self._outline.assign(made).assign_coords(step=("step", self._steps, {"long_name": "step of training"}))

    def _together(self) -> dict[str, np.ndarray]:
        """The values of every variable, steps first."""
        if self._further:
            new = {name: np.stack([own[name] for own in self._further]) for name in self._dims}
            if self._whole:
                new = {name: np.concatenate([self._whole[name], own]) for name, own in new.items()}
            self._whole, self._further = new, []
        return self._whole

    def check(self, first: xr.Dataset) -> None:
        """InputError unless a further profile continues this one: the same inputs, layers, classes and settings."""
        first = renamed(first)
        for name in _TOLD:
            ours, own = ([str(v) for v in d[name].values] if name in d else [] for d in (self._outline, first))
            if ours != own:
                raise InputError(f"the saved profile has {name} {_some(ours)}, this network {_some(own)}; {_ADVICE}")
        for name in ("inputs", "quantizer", "source"):
            ours, own = (d.attrs.get(name) for d in (self._outline, first))
            if ours != own:
                raise InputError(f"the saved profile is of other {name} ({ours}; now {own}); {_ADVICE}")
        if lacking := sorted(set(self._dims) - set(map(str, first.data_vars))):
            raise InputError(f"the saved profile has {_some(lacking)}, which is not measured now; {_ADVICE}")


_ADVICE = "give the same settings, or another file"


def renamed(profile: xr.Dataset) -> xr.Dataset:
    """A profile whose steps from layer to layer have a name of their own."""
    is_between = "step" in profile.dims and profile["step"].dtype.kind not in "iu"
    return profile.rename(step=BETWEEN) if is_between else profile


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "none"
