"""Until when a stream is drawn from: until brackets part, are narrow, or a budget is used up."""

import itertools
from dataclasses import dataclass
from numbers import Integral

from jaxentropy.base.errors import InputError
from jaxentropy.counting.tallies import Tally
from jaxentropy.profiling.brackets import lower_limits, upper_limits

_LAST_LOOK = 0.5
"""Share of the bounds' error probability that the last look gets; the earlier ones share the rest."""


@dataclass(frozen=True, eq=False)
class Until:
    """Draw until brackets part, or are narrow enough, or the budget of draws or seconds is used up.

    >>> def coin(key, label, data):  # 8 fair neurons, of which the second layer sees two
    ...     return jax.random.normal(key, (8,))
    >>> stream = je.Stream(coin, None, ["coin"], "eight coins")
    >>> network = lambda _, inputs: (inputs, {"fc1": inputs, "fc2": jax.numpy.tanh(inputs)[:, :2]})
    >>> counted = je.tally(network, None, stream, until=je.Until(draws=40_000, part=True), recorded=2_000)
    >>> counted.n  # it needed few of them
    2500

    It looks after ``draws``, half of them, a quarter, and so on, down to as many as are recorded, beginning with the
    fewest. Who may stop at any of several looks may be wrong at any of them: the last look gets half of the error
    probability and the earlier ones share the other half, so that the brackets hold with their confidence whenever it
    stopped. (Upper bounds too: the recorded draws are the same at each look, but what other draws say of them is not.)

    Attributes:
        draws: the most draws of each class.
        part: stop when, in every class, the brackets of the first and the last layer do not overlap; or those of two
            layers named here.
        width: stop when every bracket is at most so many bits wide.
        seconds: stop after so much time, whatever was reached. Looks are not moved by it.
        confidence: of the brackets that decide; give ``profile`` the same.
        seed: of the upper bounds' models.
    """

    draws: int
    part: bool | tuple[str, str] = False
    width: float | None = None
    seconds: float | None = None
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self):
        if not isinstance(self.draws, Integral):
            raise InputError(f"Until: draws is {self.draws!r}; expected a whole number")
        if self.draws < 1 or not 0 < self.confidence < 1:
            raise InputError(
                f"Until: {self.draws} draws, confidence {self.confidence}; expected 1 or more, and between 0 and 1"
            )
        if (self.width is not None and not self.width > 0) or (self.seconds is not None and not self.seconds > 0):
            raise InputError(f"Until: width {self.width}, seconds {self.seconds}; expected positive numbers")

    def looks(self, least: int) -> list[tuple[int, float]]:
        """Draws of each class and share of the error probability of each look; the shares add up to 1."""
        if not self.part and self.width is None:
            return [(self.draws, 1.0)]
        halves = itertools.takewhile(
            lambda n: n >= max(least, 1), (-(-self.draws // 2**k) for k in range(1, self.draws.bit_length()))
        )
        early = sorted(set(halves) - {self.draws})
        if not early:
            return [(self.draws, 1.0)]
        return [*((n, (1 - _LAST_LOOK) / len(early)) for n in early), (self.draws, _LAST_LOOK)]

    def enough(self, counted: Tally) -> bool:
        """Whether the brackets of this tally are what was waited for."""
        if not self.part and self.width is None:
            return False
        lower = lower_limits(counted, self.confidence)
        if self.part:
            names = (counted.layers[0], counted.layers[-1]) if self.part is True else self.part
            if unknown := [name for name in names if name not in counted.layers]:
                raise InputError(f"Until: no layer '{unknown[0]}'; there are {', '.join(counted.layers)}")
            two = [counted.layers.index(name) for name in names]
            (a, b), (most_a, most_b) = lower[two], upper_limits(counted, self.confidence, self.seed, layers=two)
            if not ((a > most_b) | (b > most_a)).all():
                return False
        if self.width is None:
            return True
        return bool((upper_limits(counted, self.confidence, self.seed) - lower <= self.width).all())
