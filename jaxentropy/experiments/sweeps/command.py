"""What the command ``jaxentropy sweep`` does with its arguments."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from jaxentropy.base.errors import InputError
from jaxentropy.experiments.sweeps.engine import sweep
from jaxentropy.experiments.sweeps.results import Results

ENGINES = ("local", "dask")


def run_sweep(
    file: Path,
    out: Path,
    *,
    shard: str | None,
    engine: str,
    address: str | None,
    workers: int | None,
    max_networks: int,
    retry: bool,
    progress: bool,
    say: Callable[[str], None],
) -> Results:
    """The sweep that a file describes.

    Raises:
        InputError: as ``sweep``; an engine that is none or is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"unknown engine '{engine}'; choose from {', '.join(ENGINES)}")
    if address is not None and engine != "dask":
        raise InputError("an address is Dask's; give --engine dask too")
    with _executor(engine, address) as executor:
        return sweep(
            file, out, shard=shard, executor=executor, workers=workers, max_networks=max_networks, retry=retry,
            progress=progress, say=say,
        )  # fmt: skip


def _executor(engine: str, address: str | None) -> AbstractContextManager[Executor | None]:
    if engine == "local":
        return nullcontext()
    if address is None:
        raise InputError("--engine dask needs the scheduler's address, for example --address tcp://127.0.0.1:8786")
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--engine dask needs Dask: pip install 'jaxentropy[dask]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address} ({error})") from None
    return client.get_executor(retries=2)
