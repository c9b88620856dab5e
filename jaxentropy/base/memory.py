"""How much memory is free, and what is said where it does not suffice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxentropy.base.errors import InputError

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def free_memory() -> float:
    """Bytes of main memory that this process may still use; infinite where the system does not say.

    The least of what Linux has available and what the process's control group (a container, a job) allows.
    """
    free = [_available(), *(_left(Path(f"/sys/fs/cgroup{group}")) for group in _groups())]
    return min(free)


def refuse_if_more_than_free(needed: int | float, what: str, remedy: str) -> None:
    """InputError if ``needed`` bytes are more than are free."""
    free = free_memory()
    if needed > free:
        raise InputError(f"{what} need {in_units(needed)} of memory, and {in_units(free)} are free; {remedy}")


@contextmanager
def told_of_batches(rows: int) -> Iterator[None]:
    """A device's want of memory becomes an InputError that names the size of the batches."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(
            f"a batch of {rows} inputs is more than the memory of {jax.devices()[0].device_kind} holds "
            f"({str(error).splitlines()[0]}); give smaller batches"
        ) from error


def in_units(size: int | float) -> str:
    """A number of bytes, in units that read well: ``7.3 MB``."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if not unit or size >= 9.95 else f"{size:.1f} {_UNITS[unit]}"


def _available() -> float:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return 1024.0 * int(line.split()[1])
    return float("inf")


def _groups() -> list[str]:
    """This process's control group and those above it, as paths."""
    for line in _lines(Path("/proc/self/cgroup")):
        if line.startswith("0::"):
            own = Path(line[3:].strip())
            return [str(group).rstrip("/") for group in (own, *own.parents)]
    return []


def _left(group: Path) -> float:
    """Bytes that a control group has left."""
    limit, used = _lines(group / "memory.max"), _lines(group / "memory.current")
    if not limit or not used or limit[0].strip() == "max":
        return float("inf")
    # files that were read lately are given up when memory is wanted
    files = sum(int(line.split()[1]) for line in _lines(group / "memory.stat") if line.startswith("inactive_file "))
    return max(0.0, float(limit[0]) - float(used[0]) + files)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
