"""One of two processes that count together: ``python -m tests.two_processes RANK PORT FOLDER``.

Each has two devices and its own share of the inputs, of different sizes; each writes what it got.
"""

import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxentropy as je

CLASSES, CUT = 5, 70
SHARES = (slice(CUT), slice(CUT, None))


def whole() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Activations of two layers, in which patterns recur on both sides of the cut, and labels."""
    rng = np.random.default_rng(11)
    which = rng.integers(0, 25, 231) ** 2 // 25
    layers = {
        name: rng.normal(size=(25, width)).astype(np.float32)[which] for name, width in (("fc1", 40), ("fc2", 300))
    }
    return layers, rng.integers(0, CLASSES, 231)


def main(rank: int, port: str, folder: Path) -> None:
    """Count this process's share together with the other process."""
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=rank)
    mesh = jax.make_mesh((jax.device_count(),), ("everywhere",), (jax.sharding.AxisType.Auto,))
    layers, labels = whole()
    mine = {name: values[SHARES[rank]] for name, values in layers.items()}
    counts = je.count_sharded(mine["fc2"], labels[SHARES[rank]], CLASSES, mesh)
    recording = je.Recording.from_activations(mine, labels[SHARES[rank]], class_names=range(CLASSES))
    profiles = {
        "recording": je.profile(recording, mesh=mesh, bootstrap=0, bounds=False),
        "tally": je.profile(je.Tally.of(recording), mesh=mesh, bootstrap=0, bounds=False),
    }
    assert counts.on.shape == (CLASSES, 300)
    arrays: dict[str, Any] = {"devices": mesh.size, **counts._asdict()}
    for kind, profile in profiles.items():
        arrays |= {f"{kind}/{name}": v.to_numpy() for name, v in profile.items() if v.dtype != object}
    np.savez(folder / f"{rank}.npz", **arrays)
    try:
        je.count_sharded(np.ones((9, 40 * (1 + rank)), np.float32), np.zeros(9, int), 1, mesh)
    except je.InputError as error:
        (folder / f"{rank}.txt").write_text(str(error))
    jax.distributed.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
