"""Two recordings of the same inputs, under any names, judged as a trained network and its untrained twin are."""

from dataclasses import dataclass

import xarray as xr

from jaxentropy.base.errors import InputError
from jaxentropy.claims.judge import Verdict, verdict
from jaxentropy.claims.twins import BASELINE, JUDGED
from jaxentropy.profiling.inputs import Recordings, arranged
from jaxentropy.profiling.profiler import profile

_BY_NAME = {
    "twin_difference": "neuron_entropy_corrected of {judged} minus that of {baseline}",
    "excess_fall": "neuron_fall of {judged} minus that of {baseline}",
}


@dataclass(frozen=True)
class Comparison(Verdict):
    """A verdict on two networks, and the profile that it rests on: what ``je.compare`` returns.

    >>> states = np.random.default_rng(0).random((60, 4)) < 0.5
    >>> recording = je.Recording.from_activations({"fc1": states}, np.zeros(60, int))
    >>> found = je.compare(before=recording, after=recording)
    >>> found.profile.network.values.tolist()
    ['after', 'before', 'shuffled']

    Attributes:
        profile: an ``xarray.Dataset``, as ``je.profile`` returns it, with the networks under their own names.
    """

    profile: xr.Dataset

    __repr__, __str__, _repr_markdown_ = Verdict.__repr__, Verdict.__str__, Verdict._repr_markdown_


def compare(**recordings: Recordings) -> Comparison:
    """Judge one recording beside another of the same inputs: the first is the baseline, the names are yours.

    >>> states = np.random.default_rng(0).random((60, 4)) < 0.5
    >>> before = je.Recording.from_activations({"fc1": states, "fc2": states}, np.zeros(60, int))
    >>> after = je.Recording.from_activations({"fc1": states, "fc2": states[:, [0] * 4] & states}, np.zeros(60, int))
    >>> found = je.compare(before=before, after=after)
    >>> found.table.excess.values.ravel().tolist()  # does neuron entropy fall more from fc1 to fc2 than before?
    ['more']

    A checkpoint beside an earlier one, pruned beside whole, one framework beside another: what ``je.profile`` and
    ``je.verdict`` say of ``trained`` beside ``untrained`` is said of these two, with the same numbers.

    Args:
        recordings: exactly two, by name: a Recording (or a Tally) each, or one a seed each. The first is the baseline.

    Raises:
        InputError: not two of them, the name ``shuffled``, or recordings of different layers, classes, inputs or seeds.
    """
    if len(recordings) != 2:
        raise InputError(
            "compare: expected two recordings by name, the baseline first, compare(before=..., after=...); got "
            f"{', '.join(recordings) or 'none'}"
        )
    arranged(recordings)  # speaks of what does not fit under the names that were given
    baseline, judged = recordings
    made = profile({"trained": recordings[judged], "untrained": recordings[baseline]})
    called = {"trained": judged, "untrained": baseline}
    made = made.assign_coords(network=[called.get(str(name), str(name)) for name in made.network.values])
    made.attrs |= {JUDGED: judged, BASELINE: baseline}
    for name, text in _BY_NAME.items():
        if name in made:
            made[name].attrs["long_name"] = text.format(judged=judged, baseline=baseline)
    found = verdict(made)
    return Comparison(found.table, found.text, found.headline, made)
