"""Whether brackets and standard errors hold on problems of exactly known entropy: ``pytest -m calibration -n 0 -s``."""

import numpy as np
import pytest

from benchmarks.calibration import (
    CONFIDENCE,
    LABELS,
    TRUSTED,
    Held,
    bracket_table,
    bracketed,
    by_group,
    by_label,
    by_pair,
    count,
    draw,
    estimated,
    families,
    label_table,
    pair_table,
)
from jaxentropy.bounds import brackets as bounds
from jaxentropy.bounds import coincidences
from jaxentropy.bounds.code_length import Split, cross_fit
from tests.problems import FAMILIES, RARE_FAMILIES, Problem, rare_zoo, spike_entropy, zoo


@pytest.fixture(scope="module")
def drawn() -> tuple[list[Problem], list[np.ndarray]]:
    problems = zoo()
    return problems, draw(problems)


def failing(found: dict[str, Held]) -> set[str]:
    """Families whose brackets hold less often than they say."""
    return {name for name, family in found.items() if family.held < CONFIDENCE}


@pytest.mark.calibration
def test_brackets_hold_in_every_family_and_nothing_certain_is_wrong(drawn):
    """Of the nine families, and of the four of rare expensive patterns, where the normal limits are the control."""
    problems, samples = drawn
    problems = problems + rare_zoo()
    limits = bracketed(problems, samples + draw(problems[len(samples) :]))
    found = by_group(families(problems), problems, limits.lower, limits.upper)
    pairs = by_pair(families(problems), problems, limits.lower, limits.upper)
    print(f"\n{bracket_table(found, 'family')}\n\n{pair_table(pairs)}")
    assert len(found) == len(FAMILIES) + len(RARE_FAMILIES) + 1
    assert not failing(found)
    assert all(judged.wrong <= 0.05 * judged.pairs for judged in pairs.values())
    assert pairs["all"].certain > 1000
    normal = by_group(families(problems), problems, limits.lower, limits.normal)
    print(f"\nnormal limits\n{bracket_table(normal, 'family')}")
    assert "spikes" in failing(normal)


@pytest.mark.calibration
def test_standard_errors_hold_where_estimates_are_trusted(drawn):
    """Chao–Wang–Jost, the default: under the two best labels, nine in ten within 1.96 errors. Worse labels err more."""
    problems, samples = drawn
    counts = count(samples)
    bits, errors = estimated(counts, "chao_wang_jost", np.ones(len(problems), bool))
    found = by_label(problems, counts.labels, bits, errors)
    print(f"\n{label_table(found)}")
    for name in TRUSTED:
        assert found[name].cells >= 50
        assert found[name].held >= 0.9, name
    medians = [found[name].median_error for name in LABELS]
    assert medians == sorted(medians)


@pytest.fixture(scope="module")
def few() -> tuple[list[Problem], list[np.ndarray]]:
    """Few problems of one shape, so that one program serves; entropies from near 0 to near d."""
    problems = [p for p in zoo(thin=2) if p.n == 100 and p.d <= 16]
    return problems, draw(problems)


def judged(few) -> dict[str, Held]:
    problems, samples = few
    limits = bracketed(problems, samples)
    return by_group(families(problems), problems, limits.lower, limits.upper)


def test_brackets_of_few_problems_hold(few):
    assert not failing(judged(few))


def test_planted_bug_codes_read_on_what_they_were_fitted_to_are_caught(few, monkeypatch):
    """A control: without the held-out split, code lengths fall below the entropy."""

    def in_sample(n, folds, seed):
        for fit, choose, _ in cross_fit(n, folds, seed):
            yield Split(fit, choose, fit)

    monkeypatch.setattr(bounds, "cross_fit", in_sample)
    found = judged(few)
    assert found["all"].upper_misses > 0
    assert failing(found)


def test_planted_bug_coincidences_that_cost_nothing_are_caught(few, monkeypatch):
    """A control: every sample is then read like one in which no two patterns are equal."""
    designs = coincidences._designs(100, bounds.LOWER_SHARE * (1 - CONFIDENCE))
    monkeypatch.setattr(coincidences, "_designs", lambda n, error: designs)
    monkeypatch.setattr(coincidences, "_penalty", lambda j, *_: np.zeros_like(j))
    found = judged(few)
    assert found["all"].lower_misses > 0.05 * found["all"].problems
    assert failing(found)


def test_a_constant_leaves_room_for_what_it_may_have_missed(few):
    """Random bits in one of 22 inputs are missed by one sample of 100 in a hundred; the normal limit has no room."""
    constant = [np.zeros((100, 16), bool)] * len(few[0])
    any_size, large = bounds.both_brackets(constant, CONFIDENCE, seed=0)
    missed = spike_entropy(0.045, 16)
    assert (any_size.upper >= missed).all()
    assert (any_size.upper < 3 * missed).all()
    assert (large.upper < 0.1).all()
