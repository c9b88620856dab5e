"""Profile and verdict's table → the answer at first sight: what is clear, what is unknown, what to do next."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr

from jaxentropy.base.markdown import extent, shortened
from jaxentropy.claims.evidence import has_brackets
from jaxentropy.claims.facts import LONGEST_NAME, Facts, constants_decide, steps_said
from jaxentropy.claims.words import number_of
from jaxentropy.estimators.trust import MIN_INPUTS

_ROOM, _ROOM_WITH_STREAM = 340, 400
"""Characters of a line. What has no room is left out, from the end, and the line says so."""
_MORE = "more inputs of the same kind"
_STEPWISE, _PAIRWISE = "comparisons (class and step)", "comparisons (class and pair of layers)"
_PATTERN_CLAIMS = {
    "falls exactly": "falls exactly",
    "falls for certain": "falls for certain",
    "rises exactly": "rises exactly",
    "rises for certain": "rises for certain",
    "falls by width": "falls",
    "equal": "is equal",
}
"""What is established of the joint pattern's entropy, and how it is said."""


def headline(profile: xr.Dataset, table: xr.Dataset, streamed: tuple[xr.Dataset, xr.Dataset] | None = None) -> str:
    """Three lines, ``Clear: …``, ``Unknown: …`` and ``Next: …``, of a profile with all dimensions and its words.

    ``streamed`` is the same of a stream of inputs, which says more of the joint pattern's entropy.
    """
    facts = Facts(profile, table)
    stream = None if streamed is None else Facts(*streamed)
    room = _ROOM if stream is None else _ROOM_WITH_STREAM
    clear = _joined(_clear(facts, stream), ". ", room) or "nothing yet"
    if facts.exact:
        unknown = "nothing of these networks: every input was listed, so all numbers are exact"
    else:
        unknown = _joined(_unknown(facts, stream), "; ") or "nothing that was asked"
    return f"Clear: {clear}.\nUnknown: {unknown}.\nNext: {_joined(_next(facts, stream), '; ') or 'nothing left to do'}."


# ---- Clear


def _clear(facts: Facts, stream: Facts | None) -> list[str]:
    parts = _neurons(facts) if facts.judges_steps else _level(facts)
    if facts.exact and len(facts.layers) > 1:  # an empty class is undecided too
        words = facts.words.neuron.isel({"class": np.flatnonzero(facts.profile.n.values)})
        differing = number_of(words, "undecided")
        parts += [f"seeds differ in {differing} of {words.size} {_STEPWISE}"] * bool(differing)
    patterns = _patterns(facts) if stream is None else [f"{_over(stream)}, {text}" for text in _patterns(stream)]
    return [*parts, *patterns, *_information(facts)]


def _over(stream: Facts) -> str:
    """``over 1,000,000 augmented draws of class 0``."""
    return f"over a stream of {extent(stream.profile.n.values)} draws of {_classes(stream.profile['class'].values)}"


def _neurons(facts: Facts) -> list[str]:
    """How the neuron entropy goes with depth, and whether that is due to training."""
    main, words = facts.networks[0], facts.words
    contradicted, classes = number_of(words.neuron_monotone, "contradicted"), words.neuron_monotone.size
    path = f"{' → '.join(facts.ends(main))} bits from {facts.layers[0]} to {facts.layers[-1]}, {main}"
    of_all, of_active = (steps_said(words[f"{name}_mean"]) for name in ("neuron", "neuron_active"))
    if constants_decide(words):
        return [
            f"constant neurons decide the result: with them mean neuron entropy {of_all} ({path}), without them it "
            f"{of_active}; {_most_constant(facts)}"
        ]
    if bool((words.neuron_mean == "undecided").all()):
        return (
            [f"neuron entropy rises at a step in {contradicted} of {classes} classes, {main}"] if contradicted else []
        )
    text = f"mean neuron entropy {of_all}: {path}"
    if contradicted and classes > 1 and bool((words.neuron_mean != "rises").any()):
        text += f" (a step rises in {contradicted} of {classes} classes)"
    return [f"{text}{_beside_twin(facts)}"]


def _most_constant(facts: Facts) -> str:
    """The layer with the largest share of constant neurons."""
    by_network = [[facts.mean(name, network) for name in ("never_on", "never_off")] for network in facts.networks]
    most = int(np.argmax(by_network[0][0] + by_network[0][1]))
    off = int(by_network[0][1][most] > by_network[0][0][most])
    shares = [f"{own[off][most]:.0%}".replace("%", " %") for own in by_network]
    twin = f" ({facts.networks[1]} {shares[1]})" if shares[1:] else ""
    return f"{shares[0]} of {facts.layers[most]}'s neurons {('never fire', 'always fire')[off]}{twin}"


def _beside_twin(facts: Facts) -> str:
    """What the untrained twin does, and what the two falls say of training."""
    if len(facts.networks) < 2:
        return ""
    twin = facts.table.sel(network=facts.networks[1]).neuron_mean
    values = " → ".join(facts.ends(facts.networks[1]))
    falls, falls_too = (bool((w == "falls").any() & (w != "rises").all()) for w in (facts.words.neuron_mean, twin))
    if falls and "excess" in facts.table:
        excess = facts.table.excess
        for word, does in (("more", "deepens"), ("less", "weakens")):
            if 2 * number_of(excess, word) > excess.size:
                share = f"{number_of(excess, word)} of {excess.size} {_STEPWISE}"
                return f"; {facts.networks[1]} {values}: {facts.twins.change} {does} the fall in {share}"
    if falls and falls_too:
        return f"; {facts.twins.baseline_it} falls too ({values}), so the fall alone is no sign of {facts.twins.change}"
    return f"; {facts.twins.baseline_it} {steps_said(twin)} ({values})"


def _level(facts: Facts) -> list[str]:
    """The neuron entropy where no step is judged: its level, beside the twin's."""
    main, *twins = facts.networks
    first, last = facts.ends(main)
    if first == "nan":
        return []
    if len(facts.layers) > 1:
        ends = f"{first} bits at {facts.layers[0]}, {last} at {facts.layers[-1]}"
        return [f"mean neuron entropy is measured, not judged: {ends}, {main}"]
    text = f"a neuron of {facts.layers[0]} has {first} bits, mean over classes"
    if twins:
        text += f", {main}; {twins[0]} {facts.ends(twins[0])[0]}"
    if "twin" in facts.table:
        words = facts.table.twin
        counts = {word: number_of(words, word) for word in ("lower", "higher", "undecided")}
        said = ", ".join(f"{word} in {count}" for word, count in counts.items() if count)
        text += f" ({main} is {said} of {words.size} classes)"
    if has_brackets(facts.profile):
        limits = (f"{facts.mean(name, main)[0]:.1f}" for name in ("pattern_lower", "pattern_upper"))
        text += f"; the joint pattern {' to '.join(dict.fromkeys(limits))} bits"
    return [text]


def _patterns(facts: Facts) -> list[str]:
    """Between which layers the joint pattern's entropy is known to fall or rise, and in how many classes."""
    pattern = facts.words.pattern
    parts = []
    for word, says in _PATTERN_CLAIMS.items():
        said = pattern == word
        if word == "falls by width":
            said = said & _wider_than_the_deeper_layer(facts)
        found = _widest_pair(facts, said)
        if found is None or (word == "equal" and parts):
            continue
        classes, (a, b), others = found
        also = f" (and {others} more {'pair' if others == 1 else 'pairs'} of layers)" if others else ""
        text = f"the joint pattern's entropy {says} from {facts.layers[a]} to {facts.layers[b]}"
        text += f" in {classes} of {pattern.sizes['class']} classes" * (pattern.sizes["class"] > 1) + also
        if word == "falls by width":
            text += f", by width alone: {facts.layers[b]} has {int(facts.profile.width[b])} neurons"
        parts.append(text)
    return parts


def _wider_than_the_deeper_layer(facts: Facts) -> xr.DataArray | bool:
    """In which cells a lower limit, not only an estimate, is above the deeper layer's number of neurons."""
    if not has_brackets(facts.profile):
        return facts.exact
    lower = facts.profile.pattern_lower.sel(network=facts.networks[0]).min("seed", skipna=False)
    earlier, later = np.triu_indices(len(facts.layers), 1)
    above = lower.transpose("class", "layer").values[:, earlier] > facts.profile.width.values[later]
    return xr.DataArray(above, dims=("class", "pair"))


def _widest_pair(facts: Facts, said: xr.DataArray) -> tuple[int, tuple[int, int], int] | None:
    """The pair of layers with most such classes (of equals the farthest apart), and how many others have any."""
    counts = said.sum("class").values
    if not counts.any():
        return None
    pairs = list(combinations(range(len(facts.layers)), 2))
    best = max(range(len(pairs)), key=lambda i: (counts[i], pairs[i][1] - pairs[i][0]))
    return int(counts[best]), pairs[best], int((counts > 0).sum()) - 1


def _information(facts: Facts) -> list[str]:
    """What a neuron of the last layer tells of the class, trained and untrained."""
    if int((facts.profile.n > 0).sum()) < 2:
        return []
    at = facts.layers[-1]
    own, *others = (f"{facts.mean('neuron_information', name)[-1]:.2f}" for name in facts.networks)
    if others:
        beside, direction = f"({facts.networks[1]} {others[0]})", facts.informs_more()
        if direction:
            does = "adds" if direction > 0 else "removes"
            return [f"{facts.twins.change} {does} information on the class: {own} bits a neuron at {at} {beside}"]
    else:
        beside = ""
    return [f"a neuron tells {own} bits on the class at {at} {beside}".rstrip()] if facts.informs() else []


# ---- Unknown


def _unknown(facts: Facts, stream: Facts | None) -> list[str]:
    profile = facts.profile
    parts = [
        f"{_classes(profile['class'].values[profile.copies.values])}: inputs look like copies of each other, so that "
        "error bars are too small and patterns are not judged"
    ] * bool(profile.copies.any())
    if len(facts.layers) > 1:
        parts += _open_patterns(facts) if stream is None else _open_streamed(stream)
    if len(facts.layers) < 2:
        parts.append("whether entropy falls with depth: there is one layer, and so no step to judge")
    elif not facts.judges_steps:
        why = "a tally keeps no bits" if profile.attrs.get("source") == "tally" else "the bits are not in one place"
        parts.append(f"whether neuron entropy falls: {why}, so it has no error bars")
    else:
        parts += _open_steps(facts)
    n = profile.n.values
    for chosen, why in ((n == 0, "no input"), ((n > 0) & (n < MIN_INPUTS), f"fewer than {MIN_INPUTS} inputs")):
        parts += [f"{_classes(profile['class'].values[chosen])}: {why}"] * bool(chosen.any())
    if len(facts.networks) < 2:
        parts.append("what is due to training: no untrained twin")
    elif "excess" in facts.table and len(facts.layers) > 1:
        excess = facts.table.excess
        undecided = number_of(excess, "undecided")
        if 2 * undecided >= excess.size and facts.judges_steps:
            parts.append(f"{facts.twins.whether_it_changes}: undecided in {undecided} of {excess.size} {_STEPWISE}")
    if profile.sizes["seed"] == 1 and facts.twins.judged in facts.networks:
        parts.append("whether other seeds agree: there is one")
    return parts


def _open_patterns(facts: Facts) -> list[str]:
    """Where nothing is certain of the joint pattern's entropy, and why."""
    usable = (facts.profile.n > 0) & ~facts.profile.copies
    words = facts.words.isel({"class": np.flatnonzero(usable.values)})
    undecided, likely = words.pattern == "undecided", words.pattern.isin(["likely falls", "likely rises"])
    still_open, cells = int((undecided | likely).sum()), words.pattern.size
    if not still_open:
        return []
    if still_open == cells:
        text = "whether the joint pattern's entropy falls"
    else:
        text = f"the joint pattern's entropy in {still_open} of {cells} {_PAIRWISE}"
    few = int((undecided & words.pattern_unreliable).sum())
    inputs = f"{extent(facts.profile.n.values[usable.values])} inputs a class are too few"
    reasons = []
    if few == cells:
        reasons.append(f"{inputs} for every pair of layers")
    elif few:
        reasons.append(inputs + (f" in {few} of them" if few < still_open else ""))
    elif int(undecided.sum()):
        reasons.append("what differs is within its error")
    for word in ("likely falls", "likely rises"):
        found = _widest_pair(facts, facts.words.pattern == word)
        if found is not None:
            classes, (a, b), _ = found
            reasons.append(
                f"it {word} from {facts.layers[a]} to {facts.layers[b]} in {classes} classes by estimates alone"
            )
    if not has_brackets(facts.profile):
        reasons.append("no brackets were made")
    return [f"{text}: {' and '.join(reasons)}"]


def _open_streamed(stream: Facts) -> list[str]:
    """Where even a stream's brackets overlap."""
    undecided, cells = number_of(stream.words.pattern, "undecided"), stream.words.pattern.size
    if not undecided:
        return []
    return [f"the joint pattern's entropy in {undecided} of {cells} {_PAIRWISE}: brackets overlap"]


def _open_steps(facts: Facts) -> list[str]:
    """At which steps the mean neuron entropy is undecided."""
    undecided = np.flatnonzero((facts.words.neuron_mean == "undecided").values)
    steps = len(facts.layers) - 1
    if not len(undecided):
        return []
    if not bool((facts.profile.n >= MIN_INPUTS).any()):
        return []  # said of the classes
    if len(undecided) == steps:
        return ["whether neuron entropy falls: no change is beyond its error"]
    if len(undecided) > 2:
        return [f"whether neuron entropy changes at {len(undecided)} of {steps} steps"]
    names = " and ".join(f"{facts.layers[i]}→{facts.layers[i + 1]}" for i in undecided)
    return [f"whether neuron entropy changes at {names}"]


def _classes(names: Sequence | np.ndarray) -> str:
    """``classes a, b, c and 7 more``."""
    shown = [shortened(str(name), LONGEST_NAME) for name in names[:3]]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"class{'es' if len(names) > 1 else ''} {', '.join(shown)}{more}"


# ---- Next


def _next(facts: Facts, stream: Facts | None) -> list[str]:
    profile, table, several = facts.profile, facts.words, len(facts.layers) > 1
    patterns = _open_patterns(facts) if stream is None else _open_streamed(stream)
    open_pattern = several and bool(patterns)
    parts = []
    if not facts.exact:
        if bool(profile.copies.any()):
            parts.append("take one of each copy, or draw new inputs")
        if several and not facts.judges_steps:
            parts.append("record the bits of fewer inputs in one place (je.record), for error bars")
        elif not has_brackets(profile) and open_pattern and stream is None:
            parts.append("make the brackets too (bounds=True, --bounds)")
        undecided_step = facts.judges_steps and bool((table.neuron_mean == "undecided").any())
        if open_pattern or undecided_step or bool((profile.n < MIN_INPUTS).any()):
            streams = stream is not None or profile.attrs.get("population", "sample") == "stream"
            more = "a longer stream of inputs, or other classes"
            parts.append(more if streams else f"{_MORE}, such as a stream of augmented ones (je.Augment)")
    if not several:
        parts.append("record more layers, to see how entropy goes with depth")
    if len(facts.networks) < 2:
        parts.append("record the untrained network too")
    elif profile.sizes["seed"] == 1 or facts.exact:
        parts.append("more seeds, or other tasks" if facts.exact else "more seeds")
    elif "excess" in facts.table and facts.judges_steps and not facts.exact:
        excess = facts.table.excess
        if 2 * number_of(excess, "undecided") >= excess.size:
            parts.append(f"more seeds, to tell {facts.twins.two_falls}")
    return parts


def _joined(parts: Sequence[str], between: str, room: int = _ROOM) -> str:
    """As many of the parts as there is room for, one at least; the line says if more are in the text."""
    text = ""
    sentences = between.startswith(".")
    for i, part in enumerate(parts):
        begun = f"{part[0].upper()}{part[1:]}" if sentences else part
        longer = f"{text}{between}{begun}" if text else part
        if text and len(longer) > room - 20 * (i + 1 < len(parts)):
            return f"{text}{between}{'More' if sentences else 'more'} in the text"
        text = longer
    return text
