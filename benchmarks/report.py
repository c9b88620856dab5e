"""What a section has to say: tables, targets, and the raw numbers behind them."""

from dataclasses import asdict, dataclass, field
from typing import Any

from jaxentropy.base.markdown import markdown_table


@dataclass(frozen=True)
class Options:
    """What all sections need to know.

    Attributes:
        quick: sizes so small that all sections take seconds; shows that the suite works, and nothing else.
        libraries: whether the optional peers are measured, where they are installed.
        rounds: instead of each section's own number.
        seed: of all random data.
    """

    quick: bool = False
    libraries: bool = True
    rounds: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Target:
    """A figure that was aimed at, and the one that was reached.

    Attributes:
        name: what is measured, in words.
        reached: the measured figure.
        limit: the threshold; None where the figure is given for comparison only.
        at_most: whether the figure should be the threshold or less; or else the threshold or more.
        unit: follows both figures.
        digits: after the point, in print.
    """

    name: str
    reached: float
    limit: float | None = None
    at_most: bool = True
    unit: str = ""
    digits: int = 2

    @property
    def verdict(self) -> str | None:
        """Met or missed."""
        if self.limit is None:
            return None
        return "met" if (self.reached <= self.limit if self.at_most else self.reached >= self.limit) else "missed"

    def line(self) -> str:
        """As it is printed."""
        reached = f"{self.reached:.{self.digits}f}{self.unit}"
        if self.limit is None:
            return f"- (no target) {self.name}: {reached}"
        bound = f"{'at most' if self.at_most else 'at least'} {self.limit:g}{self.unit}"
        return f"- {self.verdict}: {self.name}: {reached}; target {bound}"

    def as_json(self) -> dict[str, Any]:
        """All fields and the verdict."""
        return asdict(self) | {"verdict": self.verdict}


@dataclass
class Section:
    """One section's result.

    Attributes:
        title: its heading.
        settings: sizes, by name.
        raw: all that was measured, as JSON values; times in seconds.
        targets: in the order in which they are printed.
        text: paragraphs and tables, in the order in which they are printed.
    """

    title: str
    settings: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def table(self, head: list[str], rows: list[list[str]]) -> None:
        """Add a Markdown table."""
        self.text.append(markdown_table(head, rows))

    def markdown(self) -> str:
        """All of it, as it is printed."""
        parts = [f"## {self.title}", *self.text]
        if self.targets:
            parts.append("\n".join(target.line() for target in self.targets))
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Settings, raw numbers and targets."""
        return {"settings": self.settings, "targets": [t.as_json() for t in self.targets]} | self.raw
