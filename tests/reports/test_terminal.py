"""What the commands print: one screen a network, whatever the network."""

import re

import numpy as np
import pytest
import xarray as xr

import jaxentropy as je
from jaxentropy.reports.part import Part
from jaxentropy.reports.terminal import show, terminal_text
from tests.claims.test_judge import bracketed, coins, one_layer


def deep(layers: int, classes: int, seeds: int = 2) -> xr.Dataset:
    """Long names of layers, classes and networks; brackets; a step that rises, dead neurons, copies, an empty class."""
    rng = np.random.default_rng(layers)
    names = [f"encoder/block_{i:03d}/attention/output/dense" for i in range(layers)]
    labels = np.arange(12 * classes) % (classes - 1)

    def network(seed: int) -> je.Recording:
        states = {
            name: rng.random((len(labels), 12)) < rate
            for name, rate in zip(names, np.linspace(0.5, 0.1, layers), strict=True)
        }
        states[names[0]][:, :9] = False
        named = tuple(f"a class with a long name, number {c}" for c in range(classes))
        return je.Recording.from_activations(states, labels, class_names=named, layers=names, meta={"seed": seed})

    group = {name: [network(s) for s in range(seeds)] for name in ("trained", "untrained")}
    profile = bracketed(je.profile(group, bootstrap=20, bounds=False), [(1000.5, 1234.5)] * (layers - 1) + [(2.0, 7.0)])
    profile = profile.assign(copies=("class", np.arange(classes) < classes // 2))
    return profile.assign_attrs(subject="A network with very many layers, every one of which is named here, " * 3)


@pytest.mark.thorough
@pytest.mark.parametrize(("layers", "classes"), [(2, 3), (6, 100), (40, 12)])
def test_any_network_fits_a_screen(layers, classes):
    """25 lines of 100 columns, two of which say where the files are."""
    profile = deep(layers, classes)
    for plain in (False, True):
        text = terminal_text(profile, plain=plain)
        lines = text.splitlines()
        assert len(lines) <= 23
        assert max(map(len, lines)) <= 100
        assert text.isascii() == plain
        assert "nan" not in text
        assert ["000" in lines[3].split()[0], f"{layers - 1:03d}" in lines[3].split()[-1]] == [True, True]
        assert len(lines[3].split()) >= min(layers, 3)


def row(text: str, name: str) -> list[str]:
    """The cells of the row that begins with this name."""
    return next(line for line in text.splitlines() if line.startswith(name))[len(name) :].split()


@pytest.fixture(scope="module")
def profile() -> xr.Dataset:
    group = {"trained": coins([0.5, 0.3, 0.1]), "untrained": coins([0.5, 0.5, 0.5], seed=3)}
    return je.profile(group, bootstrap=50, bounds=False)


def test_one_row_a_quantity_one_column_a_layer(profile):
    text = terminal_text(bracketed(profile, [(8, 20), (9, 10), (2, 2)]))
    means = profile.mean("class").sel(network="trained")
    assert row(text, "neuron entropy, bits: trained") == [f"{value:.3f}" for value in means.neuron_entropy.values]
    assert row(text, "class information, bits: trained") == [f"{v:.3f}" for v in means.neuron_information.values]
    assert row(text, "pattern bracket, bits: trained") == ["8.0–20.0", "9.0–10.0", "2.0"]
    assert row(text, "never fire, % neurons: trained") == ["0", "0", "0"]
    assert [line.split()[0] for line in text.splitlines()[4:8]] == ["neuron", "untrained", "class", "untrained"]
    assert text.splitlines()[2] == (
        "neuron entropy, fc1 to fc3: 1.00 ▸ 0.47 bits, falls at every step; untrained 1.00 ▸ 1.00"
    )
    assert "3000 inputs; 2 classes of 1500; entropies within classes, means over them" in text
    assert "bracket" not in row(terminal_text(profile), "never fire, % neurons: trained")


def test_of_many_layers_the_first_some_between_and_the_last():
    many = je.profile({"recorded": coins([0.5] * 40, n=60, width=8)}, bootstrap=0, bounds=False)
    head = terminal_text(many).splitlines()[3].split()
    assert head[0] == "fc1"
    assert head[-1] == "fc40"
    assert "…" in head
    assert len([name for name in head if name != "…"]) >= 5
    few = terminal_text(many.isel(layer=slice(6)))
    assert few.splitlines()[3].split() == [f"fc{i}" for i in range(1, 7)]


def test_what_kind_of_inputs(profile):
    assert "3000 inputs of a stream; 2 classes" in terminal_text(profile.assign_attrs(population="stream"))
    x = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(bool)
    every = je.Recording.from_activations({"a": x, "b": x[:, :2]}, np.zeros(16, int), exhaustive=True)
    exact = terminal_text(je.profile(every))
    assert "16 inputs, all there are; 1 classes of 16" in exact
    assert row(exact, "pattern entropy, bits") == ["4.00", "2.00"]
    assert "nothing of these networks: every input was listed" in exact


def test_no_error_bars_no_verdict():
    text = terminal_text(je.profile(coins([0.5, 0.3]), bootstrap=0, bounds=False))
    assert "neuron entropy, fc1 to fc2: 1.00 ▸ 0.88 bits\n" in text
    assert "No verdict: without bootstrap" in text
    assert "Clear" not in text


def test_one_layer_and_a_tally():
    one = terminal_text(je.profile(one_layer(0.5, 1), bootstrap=20, bounds=False))
    assert "neuron entropy of fc1: 1.00 bits\n" in one
    tally = terminal_text(je.profile(je.Tally.of(coins([0.5, 0.3]))))
    assert "neuron entropy, fc1 to fc2: 1.00 ▸ 0.88 bits, steps undecided\n" in tally


def test_colours_are_codes_around_the_same_text(profile):
    coloured = terminal_text(profile, color=True)
    assert "\x1b[" in coloured
    bare = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines())
    assert bare == terminal_text(profile)


def test_the_environment_does_not_change_what_a_pipe_gets(profile, monkeypatch, capsys, tmp_path):
    expected = terminal_text(profile)
    for name, setting in (("COLUMNS", "40"), ("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, setting)
    show([Part(profile)], tmp_path)
    printed = capsys.readouterr().out
    assert printed.startswith(expected)
    assert str(tmp_path / "summary.md") in printed
    assert str(tmp_path / "figures") in printed


@pytest.mark.parametrize("width", [80, 72])
def test_narrow_terminals_lose_no_column(profile, width):
    lines = terminal_text(bracketed(profile, [(8, 20), (9, 10), (2, 2)]), width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[3].split()[-1] == "fc3"
