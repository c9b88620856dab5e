"""The commands."""

import contextlib
import functools
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from jaxentropy.errors import InputError
from jaxentropy.experiment import Config

_PROGRAM = "jaxentropy"


def run(
    config: Annotated[Config, tyro.conf.arg(name="")],
    out: Path | None = None,
    download: bool = False,
    debug: bool = False,
) -> None:
    """Train networks and their untrained twins, record, profile, judge and draw: the main job.

    The results folder holds config.toml, profile.nc, recordings/, checkpoints/, figures/ and summary.md, for several
    models one such folder each. The same command again goes on where it was, and redraws what is finished.

    Examples:

      jaxentropy run
          an MLP of 6 FC layers and a CNN with 4, on 5,000 real digits, in about two minutes

      jaxentropy run --dataset fashion-mnist --model mlp --widths 512 256 128 64 --seeds 3
          another data set, narrowing layers

      jaxentropy run --dataset npz:mine.npz --activation tanh --out runs/mine-tanh
          your own images: arrays x_train, y_train, x_test, y_test

    Args:
        config: the settings.
        out: Results folder. [runs/DATASET-MODELS]
        download: Fetch a tfds: data set that is not on this machine.
        debug: Show the traceback of an error.
    """
    from jaxentropy import experiment, report

    del debug
    folder = out or Path("runs") / "-".join([re.sub(r"[^\w.]+", "-", config.dataset).strip("-"), *config.model])
    experiment.run(config, folder, download=download, progress=sys.stderr.isatty(), say=_say)
    _say(f"drawing into {folder}")
    _tell(report.write(folder), folder)


def analyze(
    file: tyro.conf.Positional[Path],
    out: Path | None = None,
    shuffles: int = 1,
    bootstrap: int = 200,
    seed: int = 0,
    debug: bool = False,
) -> None:
    """Profile activations that any framework wrote, or a saved Recording.

    FILE is an .npz with an array `labels` (whole numbers, one an input) and one array [inputs, neurons] for each layer,
    in the order of depth, of pre-activations or ReLU outputs:

      np.savez("acts.npz", labels=labels, fc1=z1, fc2=z2, fc3=z3)

    Examples:

      jaxentropy analyze acts.npz

      jaxentropy analyze runs/mnist5k-mlp-cnn/cnn/recordings/trained-seed000.npz --out cnn-seed0

    Args:
        file: The .npz.
        out: Results folder. [FILE without its ending, with -profile]
        shuffles: Label permutations averaged in the shuffled-label null.
        bootstrap: Replicates of the bootstrap behind the verdict.
        seed: Seeds the shuffled labels and the bootstrap.
        debug: Show the traceback of an error.
    """
    from jaxentropy import experiment, report

    del debug
    folder = out or Path(f"{file.stem}-profile")
    experiment.analyze(file, folder, shuffles=shuffles, bootstrap=bootstrap, seed=seed)
    _tell(report.write(folder), folder)


def redraw(folder: tyro.conf.Positional[Path], debug: bool = False) -> None:
    """Draw the figures of a results folder anew, and write its summary.md.

    Example:

      jaxentropy report runs/mnist5k-mlp-cnn

    Args:
        folder: A results folder that `run` or `analyze` wrote.
        debug: Show the traceback of an error.
    """
    from jaxentropy import report

    del debug
    _tell(report.write(folder), folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``jaxentropy``: exits 0, or 2 after one line that says what was wrong and what to do."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        _dispatch(arguments)
    except InputError as error:
        if debug:
            raise
        _fail(str(error))
    except KeyboardInterrupt:
        print(f"\n{_PROGRAM}: interrupted; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        told = " ".join(str(error).split())[:300]
        _fail(f"unexpected {type(error).__name__}: {told} (--debug shows where)")


def _dispatch(arguments: list[str]) -> None:
    """Parse and call; tyro's boxed message about a wrong argument becomes one line."""
    written = io.StringIO()
    try:
        with contextlib.redirect_stderr(written):
            call = tyro.extras.subcommand_cli_from_dict(
                {name: _deferred(f) for name, f in (("run", run), ("analyze", analyze), ("report", redraw))},
                prog=_PROGRAM,
                description="How a neural network's activation patterns settle with depth, and how much of that can "
                "be trusted.\n\nStart with `jaxentropy run`; each command has its own --help with examples.",
                args=arguments or ["--help"],
            )
    except SystemExit as exit:
        if exit.code in (0, None):
            raise
        lines = [line.strip("│ ") for line in written.getvalue().splitlines()]
        told = [line for line in lines[1:] if line and not re.match(r"[─╭╰]", line)]
        raise InputError(f"{' '.join(told[:1])} (see `{_PROGRAM} {' '.join(arguments[:1])} --help`)") from None
    call()


def _deferred(function):
    """The same signature and help; called, it gives a function of no arguments to call after parsing."""

    @functools.wraps(function)
    def parsed(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return parsed


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(summary: str, folder: Path) -> None:
    print(summary)
    print(f"The figures are in {folder}, with this text in {folder / 'summary.md'}")


def _fail(message: str) -> None:
    print(f"{_PROGRAM}: {message}", file=sys.stderr)
    sys.exit(2)
