"""What the numbers were measured on, and how much memory a process has used."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

from benchmarks.peers import PEERS


def hardware() -> dict[str, str | int]:
    """Processor, cores, and the device that JAX uses."""
    device = jax.devices()[0]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "cpu": _cpu(),
        "cores": usable,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9) if os.name == "posix" else 0,
        "machine": platform.machine(),
        "system": platform.system(),
        "platform": device.platform,
        "device_kind": device.device_kind,
    }


def versions() -> dict[str, str]:
    """Python, what jaxentropy rests on, and each peer: "not installed" where it is not."""
    peers = sorted({peer.needs for peer in PEERS.values() if peer.needs})
    found = {"python": platform.python_version()}
    for name in ("jaxentropy", "jax", "jaxlib", "numpy", "flax", *peers):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def high_water() -> int:
    """The most bytes of memory that this process has held at once.

    On Linux from /proc: what ``resource`` says there includes the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
