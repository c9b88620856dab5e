"""The words of a verdict, and how often each was said."""

import xarray as xr

PATTERN_WORDS = (
    "falls for certain",
    "likely falls",
    "falls by width",
    "rises for certain",
    "likely rises",
    "undecided",
)
EXACT_WORDS = ("falls exactly", "falls by width", "rises exactly", "equal", "undecided")
"""The same of an enumeration, where *undecided* means that the seeds differ."""
WORDS = (
    "holds",
    "never rises",
    "contradicted",
    "falls",
    "more",
    "rises",
    "less",
    "falls exactly",
    "rises exactly",
    "equal",
    "lower",
    "higher",
    *PATTERN_WORDS,
    "unreliable",
)


def pattern_words(table: xr.Dataset) -> xr.DataArray:
    """The words on pattern entropy, with *unreliable* for undecided cells where no estimate could have been judged."""
    return table.pattern.where(~(table.pattern_unreliable & (table.pattern == "undecided")), "unreliable")


def counted(words: xr.DataArray) -> str:
    """``3 falls, 7 undecided``."""
    return ", ".join(f"{number_of(words, word)} {word}" for word in WORDS if (words == word).any())


def number_of(words: xr.DataArray, word: str) -> int:
    """How often this word was said."""
    return int((words == word).sum())
