"""The commands."""

import contextlib
import functools
import io
import os
import re
import sys
import threading
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import jax
import tyro

from jaxentropy.base.errors import InputError
from jaxentropy.experiments.config import Config
from jaxentropy.profiling.bootstrap import REPLICATES

_PROGRAM = "jaxentropy"
_OVERVIEW = """usage: jaxentropy COMMAND ...

How a neural network's activation patterns settle with depth, and how much of that can be trusted.

  jaxentropy run                 train networks and their untrained twins, record, profile, judge and draw
  jaxentropy analyze acts.npz    the same for activations that any framework wrote
  jaxentropy report FOLDER       draw the figures of a results folder anew
  jaxentropy sweep sweep.toml    many networks: every combination of settings, on all cores, in parts, or on a cluster
  jaxentropy claims FOLDER       the paper's claims, put to the test on a sweep

Start with `jaxentropy run`. `jaxentropy COMMAND --help` shows examples and every option.
"""
_Flag = tyro.conf.FlagCreatePairsOff[bool]


def _otherwise(metavar: str, default: str):
    """How a help text shows an option whose default depends on the others."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


def run(
    config: Annotated[Config, tyro.conf.arg(name="")],
    out: Annotated[Path | None, _otherwise("PATH", "runs/DATASET-MODELS")] = None,
    download: _Flag = False,
    debug: _Flag = False,
) -> None:
    """Train networks and their untrained twins, record, profile, judge and draw: the main job.

    The results folder holds config.toml, profile.nc, recordings/, checkpoints/, figures/ and summary.md, for several
    models one such folder each. The same command again goes on where it was, and redraws what is finished; with more
    seeds it trains those that are missing.

    Try:

      jaxentropy run
        an MLP of 6 FC layers and a CNN with 4, on 5,000 real digits

      jaxentropy run --dataset fashion-mnist --model mlp --widths 512 256 128 64 --seeds 3
        another data set, narrowing layers

      jaxentropy run --dataset npz:mine.npz --activation tanh --out runs/mine-tanh
        your own images: arrays x_train, y_train, x_test, y_test (hdf5: and zarr: read the same)

      jaxentropy run --dataset folder:pictures --model cnn
        image files in pictures/train/CLASS/ and pictures/test/CLASS/, or in pictures/CLASS/

    Args:
        config: the settings.
        out: Results folder.
        download: Fetch a tfds: data set that is not on this machine.
        debug: Show the traceback of an error.
    """
    from jaxentropy.experiments import pipeline

    del debug
    folder = out or Path("runs") / "-".join([re.sub(r"[^\w.]+", "-", config.dataset).strip("-"), *config.model])
    pipeline.run(config, folder, download=download, progress=sys.stderr.isatty(), say=_say)
    _say(f"drawing into {folder}")
    _draw_and_tell(folder)


def analyze(
    file: tyro.conf.Positional[Path],
    untrained: Annotated[Path | None, _otherwise("FILE", "none")] = None,
    out: Annotated[Path | None, _otherwise("PATH", "FILE without its ending, and -profile")] = None,
    shuffles: int = 1,
    bootstrap: int = REPLICATES,
    seed: int = 0,
    bounds: bool = True,
    layers: Annotated[tuple[str, ...] | None, _otherwise("NAME [NAME ...]", "all arrays, in the file's order")] = None,
    debug: _Flag = False,
) -> None:
    """Profile activations that any framework wrote, or a saved Recording.

    FILE is an .npz with an array `labels` (whole numbers or strings, one an input) and one array [inputs, neurons] for
    each layer, in the order of depth, of pre-activations or ReLU outputs:

      np.savez("acts.npz", labels=labels, fc1=z1, fc2=z2, fc3=z3)

    or an HDF5 file (.h5, .hdf5) of such datasets, which is read chunk by chunk and may be larger than memory.

    Try:

      jaxentropy analyze acts.npz

      jaxentropy analyze trained.npz --untrained init.npz --layers fc1 fc2
        the network beside itself before training: what training adds

      jaxentropy analyze runs/mnist5k-mlp-cnn/cnn/recordings/trained-seed000.npz --out cnn-seed0

    Args:
        file: The .npz, .h5 or Recording.
        untrained: The same layers for the same inputs in the same order, before training.
        out: Results folder.
        shuffles: Label permutations averaged in the shuffled-label null.
        bootstrap: Replicates of the bootstrap behind the verdict.
        seed: Seeds the shuffled labels, the bootstrap and the bounds.
        bounds: Whether the joint pattern's entropy gets its bracket: the longest part.
        layers: Which arrays are layers, in the order of depth.
        debug: Show the traceback of an error.
    """
    from jaxentropy.experiments import pipeline

    del debug
    folder = out or Path(f"{file.stem}-profile")
    pipeline.analyze(
        file, folder, untrained=untrained, shuffles=shuffles, bootstrap=bootstrap, seed=seed, bounds=bounds,
        layers=layers, progress=sys.stderr.isatty(),
    )  # fmt: skip
    _draw_and_tell(folder)


def sweep(
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")],
    out: Annotated[Path | None, _otherwise("PATH", "runs/FILE without its ending")] = None,
    shard: Annotated[str | None, _otherwise("i/n", "all, or what a SLURM array or an indexed job says")] = None,
    engine: str = "local",
    address: Annotated[str | None, _otherwise("ADDRESS", "none")] = None,
    workers: Annotated[int | None, _otherwise("INT", "one for each core")] = None,
    max_networks: int = 2000,
    retry: _Flag = False,
    dry_run: _Flag = False,
    debug: _Flag = False,
) -> None:
    """Train and measure every combination of the settings in FILE, each beside its untrained twin.

    FILE is TOML; each setting has a value or a list of values:

      dataset = ["mnist5k", "fashion-mnist"]
      depth = [1, 2, 4, 8]
      width = [32, 128]
      activation = ["relu", "tanh"]
      epochs = 10
      seeds = 4

    Settings are dataset, depth, width, activation, norm, dropout, epochs, batch_size, learning_rate, weight_decay,
    init_scale, label_noise, train_size, recorded and retrain_epochs. What is done is not made again: the same command
    goes on after a killed one, and several at once share the work by shards. A network that fails is noted and stops no
    other; the exit status is then 3.

    Try:

      jaxentropy sweep sweep.toml --dry-run
        how many networks, how many are done, and about how long the rest takes

      jaxentropy sweep sweep.toml

      jaxentropy sweep sweep.toml --shard 0/2 & jaxentropy sweep sweep.toml --shard 1/2
        two parts; in a SLURM array, or an indexed job of Kubernetes, --shard is found by itself

      jaxentropy sweep sweep.toml --engine dask --address tcp://scheduler:8786
        on the workers of a Dask cluster that see the same folder

    Args:
        file: The grid.
        out: Results folder; a larger grid or more seeds add to it.
        shard: The i-th of n parts alone, i from 0 to n - 1.
        engine: local or dask.
        address: The Dask scheduler's.
        workers: Processes on this machine, 0 to make everything in this one; or how many workers Dask has.
        max_networks: Refuse larger grids.
        retry: Try networks again that failed before.
        dry_run: Say what there is to do, and do nothing.
        debug: Show the traceback of an error.
    """
    from jaxentropy.experiments.sweeps.command import run_sweep
    from jaxentropy.experiments.sweeps.engine import plan

    del debug
    folder = out or Path("runs") / file.stem
    if dry_run:
        print(plan(file, folder, shard=shard, workers=workers, max_networks=max_networks, retry=retry))
        return
    results = run_sweep(
        file, folder, shard=shard, engine=engine, address=address, workers=workers,
        max_networks=max_networks, retry=retry, progress=sys.stderr.isatty(), say=_say,
    )  # fmt: skip
    print(results)
    if len(results):
        print(results.summary())
    if results.failed:
        sys.stdout.flush()
        sys.exit(3)


def claims(
    folder: tyro.conf.Positional[Path],
    out: Annotated[Path | None, _otherwise("PATH", "FOLDER/claims")] = None,
    debug: _Flag = False,
) -> None:
    """Put the paper's claims to the test on a sweep, as far as it is done.

    Does the entropy of activation patterns fall with depth, and more in trained networks than in untrained ones? Is it
    a metric of the model? Does it find layers that can go, and how many layers are enough? Where does memorisation sit,
    if labels were noisy? Writes claims.md, its tables and its figures.

    Try:

      jaxentropy claims runs/claims

    Args:
        folder: A results folder that `sweep` wrote.
        out: Where to.
        debug: Show the traceback of an error.
    """
    from jaxentropy.experiments.sweeps.results import load_sweep
    from jaxentropy.reports.claims_page import write_claims

    del debug
    results = load_sweep(folder)
    _say(f"gathering {len(results)} of {len(results.store.networks)} networks")
    unfinished = len(results.store.networks) - len(results) - len(results.failed)
    path = write_claims(results.to_dataset(), out or folder / "claims", _say, unfinished=unfinished)
    print(path.read_text(encoding="utf-8"))
    _say(f"written to {path}")


def redraw(folder: tyro.conf.Positional[Path], debug: _Flag = False) -> None:
    """Draw the figures of a results folder anew, and write its summary.md.

    Try:

      jaxentropy report runs/mnist5k-mlp-cnn

    Args:
        folder: A results folder that `run` or `analyze` wrote.
        debug: Show the traceback of an error.
    """
    del debug
    _draw_and_tell(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``jaxentropy``: exits 0, or 2 after one line that says what was wrong and what to do."""
    arguments_given = arguments is not None
    if not arguments_given:
        _keep_programs()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    if arguments in ([], ["-h"], ["--help"]):
        print(_OVERVIEW)
        return
    if arguments == ["--version"]:
        print(version(_PROGRAM))
        return
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            _dispatch(arguments)
            sys.stdout.flush()
    except InputError as error:
        if debug:
            raise
        _fail(str(error))
    except BrokenPipeError:  # what reads us, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        print(f"\n{_PROGRAM}: interrupted; the same command goes on where it was", file=sys.stderr, flush=True)
        if arguments_given or not _others_at_work():
            sys.exit(130)  # as any program ends: what frees a sweep's semaphores runs
        os._exit(130)  # at once: other threads are at work, and what they have not finished is made again
    except Exception as error:
        if debug:
            raise
        message = " ".join(str(error).split())[:300]
        _fail(f"unexpected {type(error).__name__}: {message} (--debug shows where)")


def _others_at_work() -> bool:
    """Whether threads go on that the end of a program waits for."""
    return any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def _keep_programs() -> None:
    """Compiled programs are kept from one command to the next: they are a fifth of what a first run waits for."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(cache) / _PROGRAM))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _dispatch(arguments: list[str]) -> None:
    """Parse and call; tyro's boxed message about a wrong argument becomes one line."""
    written = io.StringIO()
    try:
        with contextlib.redirect_stderr(written):
            call = tyro.extras.subcommand_cli_from_dict(
                {name: _deferred(function) for name, function in _COMMANDS.items()},
                prog=_PROGRAM,
                args=arguments,
            )
    except SystemExit as exit:
        if exit.code in (0, None):
            raise
        lines = [line.strip("│|─-╭╮╰╯+ ") for line in written.getvalue().splitlines()]
        message, detail = [*(line for line in lines[1:] if line), "", ""][:2]
        message = f"{message} {detail}" if message.endswith(":") else message or "wrong arguments"
        command = f" {arguments[0]}" if arguments[0] in _COMMANDS else ""
        raise InputError(f"{message} (see `{_PROGRAM}{command} --help`)") from None
    call()


_COMMANDS = {"run": run, "analyze": analyze, "report": redraw, "sweep": sweep, "claims": claims}


def _deferred(function):
    """The same signature and help; called, it gives a function of no arguments to call after parsing."""

    @functools.wraps(function)
    def parsed(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return parsed


def _warn(message: Warning | str, *_: object) -> None:
    """A warning as one line, without the line of code that it came from."""
    _say(f"{_PROGRAM}: warning: {' '.join(str(message).split())}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _draw_and_tell(folder: Path) -> None:
    """Figures and summary into the results folder; on standard output the answer at first sight."""
    from jaxentropy.reports import terminal, writer

    terminal.show(writer.write(folder), folder)


def _fail(message: str) -> None:
    print(f"{_PROGRAM}: {message}", file=sys.stderr)
    sys.exit(2)
