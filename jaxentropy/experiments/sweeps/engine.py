"""A sweep's jobs on processes of this machine, or on any executor; which part of them is ours."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from loky import ProcessPoolExecutor
from loky.backend import get_context
from tqdm import tqdm

from jaxentropy.base.errors import InputError
from jaxentropy.experiments.sweeps.grid import MAX_NETWORKS, SEEDS, networks_of
from jaxentropy.experiments.sweeps.jobs import Outcome, digest_of, jobs_of, run_job
from jaxentropy.experiments.sweeps.results import Results
from jaxentropy.experiments.sweeps.store import Store

_INDEXES = (("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"), ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"))


def sweep(
    settings: Mapping[str, Any],
    out: str | os.PathLike,
    *,
    seeds: int | Sequence[int] = SEEDS,
    shard: tuple[int, int] | None = None,
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
        settings: a value, or a list of values, for any settings of ``Network``: dataset, depth, width, activation,
            norm, dropout, epochs, batch_size, learning_rate, weight_decay, init_scale, label_noise, train_size,
            recorded. The grid is every combination.
        out: a new folder, or one that holds this sweep or a part of it.
        seeds: how many of each configuration, from 0; or which.
        shard: ``(i, n)``: the i-th of n parts (from 0) alone; by default what a SLURM array or a Kubernetes indexed job
            says in the environment, or all.
        executor: of ``concurrent.futures`` or alike (``dask.distributed.Client().get_executor()``), whose workers see
            ``out``; by default processes of this machine.
        workers: how many processes; by default one for each core that this process may use, and one if there is an
            accelerator. 0 makes everything in this process.
        max_networks: larger grids are refused.
        retry: whether networks that failed before are tried again.
        progress: show a progress bar on standard error.
        say: receives a line before each long step.

    Returns:
        The results, of all shards so far.

    Raises:
        InputError: a grid that cannot be, data that are not there, a folder that is not this sweep's, a shard that is
            none.
    """
    networks = networks_of(settings, seeds, max_networks)
    part, parts = _checked_shard(shard if shard is not None else shard_of_environment(os.environ))
    first = {network.dataset: network for network in reversed(networks)}
    say(f"loading {', '.join(sorted(first))}")
    store = Store(Path(out).absolute(), networks, {name: digest_of(one) for name, one in first.items()})
    store.claim(settings, list(range(seeds)) if isinstance(seeds, int) else list(seeds))
    failed = {} if retry else store.failures()
    own = [key for job in jobs_of(store, list(store.networks))[part::parts] for key in job]
    missing = [key for key in own if key not in failed and not store.is_there(key)]
    jobs = jobs_of(store, missing)
    which = f" of shard {part}/{parts}" if parts > 1 else ""
    say(f"{len(own) - len(missing)} of {len(own)} networks{which} are there; {len(missing)} to go in {len(jobs)} jobs")
    with tqdm(total=len(missing), desc="networks", unit="net", disable=not progress) as bar:
        broken = 0
        for outcome in _run(store, jobs, executor, workers):
            broken += bool(outcome.reason)
            bar.update()
            bar.set_postfix(failed=broken)
    results = Results(store)
    if reasons := results.failed:
        key, reason = next(iter(reasons.items()))
        warnings.warn(
            f"{len(reasons)} of {len(store.networks)} networks failed, for example {store.networks[key]}: {reason}",
            stacklevel=2,
        )
    return results


def shard_of_environment(environment: Mapping[str, str]) -> tuple[int, int]:
    """(i, n) as a SLURM array or a Kubernetes indexed job tells it; (0, 1) if there is none.

    Raises:
        InputError: an index without a number of parts.
    """
    for index, count in _INDEXES:
        if index in environment:
            if count not in environment:
                raise InputError(
                    f"{index} is set, but not {count}: set it to the number of parts, or give the shard as i/n"
                )
            first = int(environment.get("SLURM_ARRAY_TASK_MIN", 0)) if index.startswith("SLURM") else 0
            return int(environment[index]) - first, int(environment[count])
    return 0, 1


def _checked_shard(shard: tuple[int, int]) -> tuple[int, int]:
    part, parts = shard
    if parts < 1 or not 0 <= part < parts:
        raise InputError(f"shard {part}/{parts}: expected i/n with i from 0 to n - 1, for example 0/4 to 3/4")
    return part, parts


def _run(store: Store, jobs: list[list[str]], executor: Executor | None, workers: int | None) -> Iterator[Outcome]:
    """What became of each network, as it is done."""
    if executor is not None:
        yield from _done(executor, store, jobs, len(jobs))
        return
    count = _cores() if workers is None else workers
    if count < 1 or (workers is None and _accelerated()) or len(jobs) < 2:
        for job in jobs:
            yield from run_job(store, job, at_once=max(1, count))
        return
    yield from _on_processes(store, jobs, min(count, len(jobs)))


def _on_processes(store: Store, jobs: list[list[str]], workers: int) -> Iterator[Outcome]:
    """Jobs on processes; if one of them dies, what it had begun is made again, network by network, and once."""
    waiting, suspects = list(jobs), set()
    while waiting:
        with _processes(workers) as pool:
            under_way: dict[Future, list[str]] = {}
            try:
                while waiting or under_way:
                    while waiting and len(under_way) < workers:
                        with _uninterrupted():  # processes begin with their first job
                            under_way[pool.submit(run_job, store, waiting[0])] = waiting[0]
                        waiting.pop(0)  # only now: where the pool is broken, nothing was submitted
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        outcomes = future.result()
                        del under_way[future]
                        yield from outcomes
            except BrokenExecutor:
                for key in (key for job in under_way.values() for key in job):
                    if store.path(key).exists():
                        yield Outcome(key, "")
                    elif key in suspects:
                        store.save_failure(key, "its process was killed twice; was there enough memory?")
                        yield Outcome(key, "killed")
                    else:
                        suspects.add(key)
                        waiting.append([key])


def _done(executor: Executor, store: Store, jobs: list[list[str]], at_once: int) -> Iterator[Outcome]:
    """Jobs on an executor that looks after its own workers."""
    under_way = {executor.submit(run_job, store, job): job for job in jobs[:at_once]}
    while under_way:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            job = under_way.pop(future)
            try:
                yield from future.result()
            except Exception as error:
                for key in job:
                    if store.path(key).exists():
                        yield Outcome(key, "")
                        continue
                    store.save_failure(key, f"{type(error).__name__}: {error}")
                    yield Outcome(key, str(error))


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
    """What is begun here never sees Ctrl-C, which a terminal sends to all processes: ours ends them, without a word."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # where it is begun later, it lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int) -> None:
    """In a new process: end when the parent has, and leave nothing behind that a killed process would have to free."""
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _kept_programs() -> str | None:
    import jax

    return getattr(jax.config, "jax_compilation_cache_dir")  # noqa: B009 - it is not declared


def _accelerated() -> bool:
    import jax

    return jax.default_backend() != "cpu"
