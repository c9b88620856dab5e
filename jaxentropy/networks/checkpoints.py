"""Training states in a folder (orbax): a killed run goes on from the newest; a half-written one is never read."""

import os
import time
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxentropy.base.errors import InputError

_SECONDS_BETWEEN_CHECKPOINTS = 10.0
_ONE_AT_A_TIME = Lock()  # networks are trained in threads, and orbax is not made for several


class State(NamedTuple):
    """What the training of one seed changes: variables and the optimiser's state."""

    variables: Any
    optimiser: Any


def _shapes(tree: Any) -> list[tuple[int, ...]]:
    return sorted(tuple(leaf.shape) for leaf in jax.tree.leaves(tree))


class Checkpoints:
    """The folder that holds the newest state of one seed's training."""

    def __init__(self, folder: str | os.PathLike):
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._folder = Path(folder).absolute()
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False),
            item_handlers=ocp.StandardCheckpointHandler(),
        )
        self._saved = time.monotonic()

    def restore(self, state: State, history: dict[str, np.ndarray]) -> tuple[int, State, dict[str, np.ndarray]]:
        """(epochs done, state, history) of the newest checkpoint, or what was given and 0."""
        epoch = self._manager.latest_step()
        if epoch is None:
            return 0, state, history
        wanted = {"state": state._asdict(), "history": history}
        there = self._manager.item_metadata(epoch)
        if _shapes(getattr(there, "tree", there)) != _shapes(wanted):
            raise InputError(
                f"the checkpoint in {self._folder} is of another model or other settings; delete it to train anew"
            )
        found = self._manager.restore(epoch, args=self._ocp.args.StandardRestore(wanted))
        return epoch, State(**found["state"]), {k: np.array(v) for k, v in found["history"].items()}

    def save(self, epoch: int, state: State, history: dict[str, np.ndarray], *, last: bool) -> None:
        """Write this state, unless the last one written is only seconds old and this is not the end."""
        if last or time.monotonic() - self._saved > _SECONDS_BETWEEN_CHECKPOINTS:
            written = {"state": state._asdict(), "history": history}
            with _ONE_AT_A_TIME:
                self._manager.save(epoch, args=self._ocp.args.StandardSave(written))
            self._saved = time.monotonic()

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()
