"""A sweep's jobs on processes of this machine, or on any executor."""

import os
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import closing, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

from loky import ProcessPoolExecutor
from loky.backend import get_context
from tqdm import tqdm

from jaxentropy.base.errors import InputError
from jaxentropy.experiments.sweeps.grid import (
    MAX_NETWORKS,
    PROGRAM_SECONDS,
    SEEDS,
    guessed_seconds,
    in_words,
    networks_of,
    plain_settings,
    read_grid,
    seed_numbers,
)
from jaxentropy.experiments.sweeps.jobs import (
    Outcome,
    checked_shard,
    digest_of,
    jobs_of,
    run_job,
    shard_of_environment,
    share_of,
)
from jaxentropy.experiments.sweeps.results import Results
from jaxentropy.experiments.sweeps.store import Store

_PAUSE, _LONGEST_PAUSE = 10.0, 60.0  # seconds from a line that says how far a sweep is to the next


class _Share(NamedTuple):
    """What is to be made: ``keys`` of the networks of one part of a sweep, and of those that are missing."""

    store: Store
    settings: dict[str, list[Any]]
    seeds: Sequence[int]
    keys: list[str]
    of: str
    failed: dict[str, str]


def sweep(
    settings: Mapping[str, Any] | str | os.PathLike,
    out: str | os.PathLike,
    *,
    seeds: int | Iterable[int] | None = None,
    shard: tuple[int, int] | str | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    max_networks: int = MAX_NETWORKS,
    retry: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Results:
    """Train and measure every network of a grid, beside their untrained twins, into the folder ``out``.

    ::

        results = je.sweep({"depth": [1, 2, 4], "activation": ["relu", "tanh"]}, "sweep", seeds=3)
        results.to_dataframe()

    What is there already is not made again: the same call goes on after a killed one, finishes what other shards left,
    and a larger grid or more seeds add to the folder. A network that fails is noted with its reason and stops no other.

    Args:
        settings: a value, or values (a list, a range, an array), for any settings of ``Network``: dataset, depth,
            width, activation, norm, dropout, epochs, batch_size, learning_rate, weight_decay, init_scale, label_noise,
            train_size, recorded, retrain_epochs. The grid is every combination. Or a TOML file that says them.
        out: a new folder, or one that holds this sweep or a part of it.
        seeds: how many of each configuration, from 0; or which. By default what the file says, or 4.
        shard: ``(i, n)``, or ``"i/n"``: the i-th of n parts (from 0) alone; by default what a SLURM array or
            a Kubernetes indexed job says in the environment, or all.
        executor: of ``concurrent.futures`` or alike (``dask.distributed.Client().get_executor()``), whose workers see
            ``out``; by default processes of this machine.
        workers: how many processes; by default one for each core that this process may use, and one if there is an
            accelerator. 0 makes everything in this process. Of an executor: how many it has, where networks are so few
            that jobs must be small for each to have one.
        max_networks: larger grids are refused.
        retry: whether networks that failed before are tried again.
        progress: show a progress bar on standard error.
        say: receives a line before each long step, and now and then one that says how far it is if no bar does.

    Returns:
        The results, of all shards so far.

    Raises:
        InputError: a grid that cannot be, data that are not there, a folder that is not this sweep's, a shard that is
            none.
    """
    _check_workers(workers)
    share = _share(settings, out, seeds, shard, max_networks, retry, say)
    store = share.store
    store.claim(share.settings, share.seeds)
    written = [key for key in share.keys if store.path(key).exists()]
    there = {key for key in written if store.is_there(key)}
    failed = [key for key in share.keys if key in share.failed and key not in there]
    missing = [key for key in share.keys if key not in share.failed and key not in there]
    jobs = jobs_of(store, missing, _at_once(executor, workers))
    if len(there) < len(written):
        say(f"{_many(len(written) - len(there), 'file')} of networks cannot be read, and will be made again")
    say(f"{len(there)} of {_many(len(share.keys), 'network')}{share.of} are there"
        f"{f', {len(failed)} failed before' if failed else ''}; "
        f"{len(missing)} to go in {_many(len(jobs), 'job')}")  # fmt: skip
    with closing(_run(store, jobs, executor, workers)) as made:  # processes end with it, wherever an interrupt comes
        _watch(made, len(missing), progress, say)
    _warn_of_failures(store, share.failed)
    return Results(store)


def plan(
    settings: Mapping[str, Any] | str | os.PathLike,
    out: str | os.PathLike,
    *,
    seeds: int | Iterable[int] | None = None,
    shard: tuple[int, int] | str | None = None,
    workers: int | None = None,
    max_networks: int = MAX_NETWORKS,
    retry: bool = False,
) -> str:
    """What ``sweep`` would do, in a sentence or two; nothing is written. Arguments and errors are its own."""
    _check_workers(workers)
    share = _share(settings, out, seeds, shard, max_networks, retry, lambda text: None)
    store = share.store
    store.refuse_other()
    done = sum(store.path(key).exists() for key in share.keys)
    failed = sum(key in share.failed and not store.path(key).exists() for key in share.keys)
    missing = [key for key in share.keys if key not in share.failed and not store.path(key).exists()]
    count = _at_once(None, workers)
    jobs = jobs_of(store, missing, count)
    seconds = [sum(guessed_seconds(store.networks[key]) for key in job) + PROGRAM_SECONDS for job in jobs]
    used = max(1, min(count, len(jobs)))
    took = in_words(max([sum(seconds) / used, *seconds], default=0.0))
    configurations = len({store.networks[key].configuration for key in share.keys})
    text = (
        f"{_many(len(share.keys), 'network')} of {_many(configurations, 'configuration')}{share.of}: {done} done, "
        f"{failed} failed before{' (--retry tries them again)' if failed else ''}, {len(missing)} to go"
    )
    if missing:
        text += f" in {_many(len(jobs), 'job')}: very roughly {took} on {_many(used, 'core')} of a processor"
    return f"{text}. Nothing was written."


def _share(
    settings: Mapping[str, Any] | str | os.PathLike,
    out: str | os.PathLike,
    seeds: int | Iterable[int] | None,
    shard: tuple[int, int] | str | None,
    max_networks: int,
    retry: bool,
    say: Callable[[str], None],
) -> _Share:
    """All arguments checked, the data loaded, nothing written."""
    if isinstance(settings, str | os.PathLike):
        settings, from_file = read_grid(Path(settings))
        seeds = from_file if seeds is None else seeds
    axes, numbers = plain_settings(settings), seed_numbers(SEEDS if seeds is None else seeds)
    networks = networks_of(axes, numbers, max_networks)
    part, parts = checked_shard(shard if shard is not None else shard_of_environment(os.environ))
    first = {network.dataset: network for network in reversed(networks)}
    say(f"loading {', '.join(sorted(first))}")
    store = Store(Path(out).absolute(), networks, {name: digest_of(one) for name, one in first.items()})
    keys = share_of(store, part, parts)
    if not keys:
        say(
            f"shard {part}/{parts} is empty: the sweep has only {_many(len(networks), 'network')}, so that more than "
            f"{_many(len(networks), 'part')} are of no use"
        )
    of = f" of shard {part}/{parts}" if parts > 1 else ""
    return _Share(store, axes, numbers, keys, of, {} if retry else store.failures())


def _check_workers(workers: int | None) -> None:
    if workers is not None and workers < 0:
        raise InputError(
            f"workers is {workers}; expected a number of processes of 1 or more, or 0 to make everything in this one"
        )


def _watch(made: Iterator[list[Outcome]], total: int, progress: bool, say: Callable[[str], None]) -> None:
    """Let all be made, while a bar says how far it is, or a line now and then: at tenths, or after a minute."""
    begun = told = time.monotonic()
    done = failed = told_of = 0
    with tqdm(total=total, desc="networks", unit="net", disable=not progress) as bar:
        for outcomes in made:
            done, failed = done + len(outcomes), failed + sum(bool(outcome.reason) for outcome in outcomes)
            bar.update(len(outcomes))
            bar.set_postfix(failed=failed)
            now = time.monotonic()
            tenth = now - told >= _PAUSE and done - told_of >= total / 10
            # pauses grow with time: a sweep of days does not fill its log
            if not progress and done < total and (tenth or now - told >= max(_LONGEST_PAUSE, (now - begun) / 20)):
                left = f"; about {in_words((now - begun) / done * (total - done))} left" if done else ""
                say(f"{done} of {total} networks done, {failed} of them failed{left}")
                told, told_of = now, done


def _warn_of_failures(store: Store, before: Mapping[str, str]) -> None:
    """Say how many failed, and what sets one of them apart, if possible one that did so just now."""
    reasons = store.failures()
    if not reasons:
        return
    noted = sum(key in before for key in reasons)
    key = next((key for key in reasons if key not in before), next(iter(reasons)))
    when = f" ({noted} of them before this run, and not tried again)" if noted else ""
    warnings.warn(
        f"{len(reasons)} of {len(store.networks)} networks failed{when}, for example {store.described(key)}: "
        f"{reasons[key]}. To try them again, give retry=True, or --retry",
        stacklevel=3,
    )


def _run(
    store: Store, jobs: list[list[str]], executor: Executor | None, workers: int | None
) -> Generator[list[Outcome], None, None]:
    """What became of the networks, job by job; nothing, now and then, while they are at work."""
    if executor is not None:
        yield from _done(executor, store, jobs, len(jobs))
        return
    count = _at_once(executor, workers)
    if count < 2 or len(jobs) < 2:
        trained = _cores() if workers is None else max(1, workers)
        for job in jobs:
            yield run_job(store, job, at_once=trained)
        return
    yield from _on_processes(store, jobs, min(count, len(jobs)))


def _at_once(executor: Executor | None, workers: int | None) -> int:
    """How many jobs run at a time: 1 in this process, or on an executor of which nothing is known."""
    if workers is not None:
        return max(1, workers)
    return 1 if executor is not None or _accelerated() else _cores()


def _on_processes(store: Store, jobs: list[list[str]], workers: int) -> Iterator[list[Outcome]]:
    """Jobs on processes; if one of them dies, what all had begun is made again, network by network.

    Those that are under way when one dies again are made one at a time, after all others: the one to blame is found.
    """
    waiting, deaths = list(jobs), Counter[str]()
    while waiting:
        with _processes(workers) as pool:
            under_way: dict[Future, list[str]] = {}
            try:
                while waiting or under_way:
                    while waiting and len(under_way) < (workers if deaths[waiting[0][0]] < 2 else 1):
                        with _uninterrupted():  # processes begin with their first job
                            under_way[pool.submit(run_job, store, waiting[0])] = waiting[0]
                        waiting.pop(0)  # only now: where the pool is broken, nothing was submitted
                    for future in wait(under_way, _LONGEST_PAUSE, FIRST_COMPLETED).done:
                        outcomes = future.result()
                        del under_way[future]
                        yield outcomes
                    yield []
            except BrokenExecutor:
                for key in (key for job in under_way.values() for key in job):
                    if store.path(key).exists():
                        yield [Outcome(key, "")]
                    elif deaths[key] == 2:
                        store.save_failure(key, "its process died even when it ran alone; was there enough memory?")
                        yield [Outcome(key, "killed")]
                    else:
                        deaths[key] += 1
                        waiting.append([key])
                waiting.sort(key=lambda job: deaths[job[0]])


def _done(executor: Executor, store: Store, jobs: list[list[str]], at_once: int) -> Iterator[list[Outcome]]:
    """Jobs on an executor that looks after its own workers."""
    under_way = {executor.submit(run_job, store, job): job for job in jobs[:at_once]}
    while under_way:
        for future in wait(under_way, _LONGEST_PAUSE, FIRST_COMPLETED).done:
            job = under_way.pop(future)
            try:
                yield future.result()
            except Exception as error:
                for key in job:
                    if store.path(key).exists():
                        yield [Outcome(key, "")]
                        continue
                    store.save_failure(key, f"{type(error).__name__}: {error}")
                    yield [Outcome(key, str(error))]
        yield []


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Processes that use a core each, and end when this one does.

    They are Loky's, which do not run the user's script again, as those of the standard library do: it needs no guard.
    """
    pool = ProcessPoolExecutor(
        workers, context=get_context("loky"), env=_environment(), initializer=_begin,
        initargs=(os.getpid(),),
    )  # fmt: skip
    try:
        yield pool
    finally:  # what is under way, if anything is, will be made again; semaphores are given back before we go on
        pool.shutdown(wait=True, kill_workers=True)


def _environment() -> dict[str, str]:
    """Of a new process: one thread, no warnings, compiled programs where ours are, and as much memory as it takes."""
    one_thread = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    found = {
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {one_thread}",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
        "LOKY_MAX_MEMORY_LEAK_SIZE": "1e18",  # it takes compiled programs for a leak, and would begin new processes
    }
    if programs := _kept_programs():
        found |= {"JAX_COMPILATION_CACHE_DIR": programs, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
    return found


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is begun here never sees Ctrl-C, which a terminal sends to all processes: ours ends them, without a word.

    Ours heeds it when it has begun them: half begun, they could not be ended.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # where it is begun later, it lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    came: list[int] = []
    # signals that another thread receives are handled by the main one, whatever it blocks
    heed = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT)
    if heed:
        signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        if heed:
            signal.signal(signal.SIGINT, heed)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _begin(parent: int) -> None:
    """In a new process: end when the parent has, and leave nothing behind that a killed process would have to free."""
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _kept_programs() -> str | None:
    import jax

    return getattr(jax.config, "jax_compilation_cache_dir")  # noqa: B009 - it is not declared


def _accelerated() -> bool:
    import jax

    return jax.default_backend() != "cpu"
