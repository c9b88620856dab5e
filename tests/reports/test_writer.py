"""A results folder is drawn from what lies in it."""

import matplotlib.pyplot as plt
import pytest

import jaxentropy as je
from jaxentropy import plots
from jaxentropy.reports.folder import STREAMED
from jaxentropy.reports.writer import write
from tests.conftest import random_recording


@pytest.fixture
def folder(tmp_path):
    """A results folder without figures and summary."""
    recording = random_recording(0)
    folder = tmp_path / "run"
    recording.save(folder / "recordings" / "recorded.npz")
    je.save_profile(je.profile({"recorded": recording}, bootstrap=0, bounds=False), folder / "profile.nc")
    (folder / "config.toml").write_text('jaxentropy = "0.1.0"\ncommand = "analyze"\n')
    return folder


def test_a_figure_that_nobody_named_is_shown_under_its_own_title(folder, monkeypatch):
    """Titles were once listed apart from the figures, and one that was missing there ended the report."""

    def figures(profile, recordings, streamed=None, full=False, title=None):
        named, unnamed = plt.figure(), plt.figure()
        named.suptitle("What is\nnew")
        return {"new": named, "unnamed": unnamed}

    monkeypatch.setattr(plots, "figures", figures)
    write(folder)
    text = (folder / "summary.md").read_text()
    assert "![What is new](figures/new.png)" in text  # on one line, or Markdown would not show it
    assert "![unnamed](figures/unnamed.png)" in text


def test_a_stream_in_the_folder_is_drawn(folder, monkeypatch):
    given = []
    monkeypatch.setattr(
        plots, "figures", lambda profile, recordings, streamed, full, title: given.append(streamed) or {}
    )
    write(folder)
    longer = je.profile({"recorded": je.Tally.of(random_recording(1, n=600))})
    je.save_profile(longer, folder / STREAMED)
    write(folder)
    assert STREAMED == "stream.nc"
    assert given[0] is None
    assert int(given[1].n.sum()) == 600
