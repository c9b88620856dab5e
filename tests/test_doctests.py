"""The examples in the docstrings of public names: there is one for each, and each gives what it says."""

import doctest
import inspect
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxentropy as je


def is_example_due(item: object) -> bool:
    """Whether this is a function or class, but not an exception or a warning."""
    return inspect.isroutine(item) or (isinstance(item, type) and not issubclass(item, BaseException))


def examples_of(name: str) -> doctest.DocTest:
    """The examples in the docstring of ``je.<name>``, where ``name`` may have dots."""
    item: object = je
    for part in name.split("."):
        item = getattr(item, part)
    names = {"je": je, "jax": jax, "jnp": jnp, "np": np}
    return doctest.DocTestParser().get_doctest(inspect.getdoc(item) or "", names, f"je.{name}", None, 0)


PUBLIC = sorted(name for name in je.__all__ if is_example_due(getattr(je, name)))
ROOMS: tuple[ModuleType, ...] = (je.capture, je.datasets, je.plots)
FURTHER = [
    f"{room.__name__.removeprefix('jaxentropy.')}.{name}"
    for room in ROOMS
    for name in room.__all__
    if is_example_due(getattr(room, name)) and ">>>" in (inspect.getdoc(getattr(room, name)) or "")
]
METHODS = [
    "Recording.from_activations",
    "bounds.conditional.conditional_limits",
    "recording.positions.pooled",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    assert examples_of(name).examples, f"je.{name} has no example in its docstring"


@pytest.mark.parametrize("name", [*PUBLIC, *METHODS, *FURTHER])
def test_examples_give_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    test = examples_of(name)
    if not test.examples:
        pytest.skip("no example yet")
    output: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=output.append)
    assert runner.tries == len(test.examples)
    assert not runner.failures, "".join(output)
