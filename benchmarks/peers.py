"""What a user would otherwise pick for counting patterns and neurons by class.

Every way takes ``activations[n, d]`` (float32) and ``labels[n]`` (0 to ``classes`` - 1), and is written as well as a
competent user of its library could. Most give ``Counts``; the libraries of information theory give no counts, only
the joint plug-in entropy of each class in bits. Libraries other than NumPy are imported when their way is called.
"""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

Counts = list[tuple[np.ndarray, dict[int, int]]]
"""For each class: inputs for which each neuron was on, and {multiplicity: number of patterns}."""

_BLOCK = 2048
"""Inputs at a time, for the ways that keep their intermediate arrays in the cache."""


def same(a: Counts, b: Counts) -> bool:
    """Whether two ways counted the same."""
    return all(np.array_equal(x[0], y[0]) and x[1] == y[1] for x, y in zip(a, b, strict=True))


def plug_in(counts: Counts) -> np.ndarray:
    """Joint plug-in entropy of each class in bits, to hold the ways against that give nothing else."""
    entropies = []
    for _, patterns in counts:
        j, f = np.array(list(patterns.items()), float).reshape(-1, 2).T
        p = j / (j @ f)
        entropies.append(-(f * p) @ np.log2(p))
    return np.array(entropies)


def _packed(states: np.ndarray) -> np.ndarray:
    """uint8[n, byte], a bit for each state, with zero bytes up to a multiple of 8 so that it can be seen as words."""
    packed = np.packbits(states, axis=1)
    missing = -packed.shape[1] % 8
    return np.pad(packed, [(0, 0), (0, missing)]) if missing else packed


def _rows(packed: np.ndarray) -> np.ndarray:
    """Each row seen as one opaque value, which NumPy sorts and compares as a whole."""
    return np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()


def _neurons(states: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """int64[class, neuron], inputs of each class for which each neuron was on.

    The fastest that was found in NumPy: sums of up to 255 rows fit into uint8, which sums 16 or 32 neurons in one
    instruction. Two to four times as fast as np.count_nonzero(axis=0) or a float32 one-hot matrix product.
    """
    ones, on = states.view(np.uint8), np.zeros((classes, states.shape[1]), np.int64)
    for c in range(classes):
        mine = np.flatnonzero(labels == c)
        for start in range(0, len(mine), 255):
            on[c] += ones[mine[start : start + 255]].sum(0, dtype=np.uint8)
    return on


def unique_rows(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """np.unique(axis=0) of the states: what most published code does."""
    states = activations > 0
    result = []
    for c in range(classes):
        mine = states[labels == c]
        seen = np.unique(mine, axis=0, return_counts=True)[1]
        result.append((mine.sum(0), dict(Counter(seen.tolist()))))
    return result


def void_views(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """Threshold, packbits, np.unique of rows seen as single values: what a careful user of NumPy writes."""
    states = activations > 0
    rows = _rows(np.packbits(states, axis=1))
    result = []
    for c in range(classes):
        mine = labels == c
        seen = np.unique(rows[mine], return_counts=True)[1]
        result.append((np.count_nonzero(states[mine], axis=0), dict(Counter(seen.tolist()))))
    return result


def one_unique(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """As void_views, with one np.unique of (class, row) for all classes, and neurons counted by sums in uint8."""
    states = activations > 0
    prefix = labels.astype(np.int64)[:, None].view(np.uint8)
    rows, seen = np.unique(_rows(np.hstack([prefix, np.packbits(states, axis=1)])), return_counts=True)
    # of each different row, the bytes of the class that were put before it
    owner = rows.view(np.uint8).reshape(len(rows), -1)[:, :8].copy().view(np.int64).ravel()
    on = _neurons(states, labels, classes)
    return [(on[c], dict(Counter(seen[owner == c].tolist()))) for c in range(classes)]


def counters(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """Threshold, packbits, a Counter of each row's bytes: plain Python, exact, and no sorting."""
    states = activations > 0
    rows = _rows(np.packbits(states, axis=1))
    on = _neurons(states, labels, classes)
    return [(on[c], dict(Counter(Counter(rows[labels == c].tolist()).values()))) for c in range(classes)]


def numpy_best(activations: np.ndarray, labels: np.ndarray, classes: int, threads: int = 1) -> Counts:
    """The fastest that was found with NumPy alone: one pass over blocks that stay in the cache, and 64-bit hashes.

    The hash is the multilinear one of Lemire and Kaser with 32-bit characters and 64-bit keys, twice: two different
    patterns collide with a probability of at most 2⁻⁶⁴, which is the licence that jaxentropy takes too.
    """
    words = -(-activations.shape[1] // 64) * 2
    keys = np.random.default_rng(0).integers(0, 2**64, (1 + words, 2), dtype=np.uint64)

    def block(start: int) -> tuple[np.ndarray, np.ndarray]:
        states = activations[start : start + _BLOCK] > 0
        high = (_packed(states).view(np.uint32).astype(np.uint64) @ keys[1:] + keys[0]) >> 32
        return _neurons(states, labels[start : start + _BLOCK], classes), high[:, 0] << 32 | high[:, 1]

    with ThreadPoolExecutor(threads) as pool:
        blocks = list(pool.map(block, range(0, len(activations), _BLOCK)))
    on, hashes = np.sum([b[0] for b in blocks], axis=0), np.concatenate([b[1] for b in blocks])
    seen = (np.unique(hashes[labels == c], return_counts=True)[1] for c in range(classes))
    return [(on[c], dict(Counter(s.tolist()))) for c, s in enumerate(seen)]


def numpy_best_threads(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """As numpy_best, with a thread for each core: NumPy lets go of Python's lock while it works on a block."""
    return numpy_best(activations, labels, classes, os.cpu_count() or 1)


def pandas_hashes(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """pandas: its own hash of the packed words of each row, then groupby of (class, hash) and value_counts.

    Neurons are counted in NumPy: ``DataFrame(states).groupby(labels).sum()`` takes ten times as long as everything
    else here. Grouping by the words themselves, which is exact, takes three times as long as by their hash.
    """
    import pandas as pd
    from pandas.util import hash_pandas_object

    states = activations > 0
    words = pd.DataFrame(_packed(states).view(np.uint64))
    hashes = hash_pandas_object(words, index=False).to_numpy()  # pyright: ignore[reportCallIssue]
    seen = pd.DataFrame({"label": labels, "hash": hashes}).groupby(["label", "hash"], sort=False).size()
    result = [(on, {}) for on in _neurons(states, labels, classes)]
    patterns = seen.groupby(level="label").value_counts()
    for (label, multiplicity), number in zip(patterns.index.to_list(), patterns.to_list(), strict=True):
        result[label][1][multiplicity] = number
    return result


def polars_words(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """polars: the packed words as columns, group_by of class and all words; exact, and on all cores.

    Neurons are counted in NumPy: a frame with a column for each neuron takes longer to build than all of this.
    """
    import polars as pl  # pyright: ignore[reportMissingImports]

    states = activations > 0
    words = _packed(states).view(np.uint64)
    frame = pl.DataFrame(words, schema=[f"word{w}" for w in range(words.shape[1])], orient="row")
    seen = frame.with_columns(label=pl.Series(labels)).group_by(pl.all()).len("multiplicity")
    result = [(on, {}) for on in _neurons(states, labels, classes)]
    for label, multiplicity, patterns in seen.group_by("label", "multiplicity").len("patterns").iter_rows():
        result[label][1][multiplicity] = patterns
    return result


def torch_unique(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """torch.unique(dim=0) of the states, on the CPU: what published code in PyTorch does."""
    import torch  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(os.cpu_count() or 1)
    states, classed = torch.from_numpy(activations) > 0, torch.from_numpy(labels)
    result = []
    for c in range(classes):
        mine = states[classed == c]
        seen = torch.unique(mine, dim=0, return_counts=True)[1]
        result.append((mine.sum(0).numpy(), dict(Counter(seen.tolist()))))
    return result


def torch_best(activations: np.ndarray, labels: np.ndarray, classes: int, threads: int = 1) -> Counts:
    """The fastest that was found with PyTorch on the CPU: numpy_best, step by step, in PyTorch's own operations.

    Its ">" takes four times as long as NumPy's for one thread. PyTorch has no packbits; multiplying eight states, seen
    as one int64, gathers their bits in the highest byte.
    """
    import torch  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(threads)
    width = activations.shape[1]
    a, classed = torch.from_numpy(activations), torch.from_numpy(labels)
    keys = torch.randint(-(2**63), 2**63 - 1, (1 + -(-width // 32), 2), generator=torch.Generator().manual_seed(0))
    on = torch.zeros(classes, width, dtype=torch.int64)
    states = torch.empty(_BLOCK, width, dtype=torch.bool)  # written again and again: a new array costs as much as ">"
    hashes = []
    for start in range(0, len(a), _BLOCK):
        block = a[start : start + _BLOCK]
        ones = torch.gt(block, 0, out=states[: len(block)]).view(torch.uint8)
        for c in range(classes):
            for mine in torch.where(classed[start : start + _BLOCK] == c)[0].split(255):
                on[c] += ones[mine].sum(0, dtype=torch.uint8)
        eights = torch.nn.functional.pad(ones, (0, -width % 32)).view(torch.int64)
        words = ((eights * 0x0102040810204080) >> 56).to(torch.uint8).view(torch.int32)
        high = ((words.long() & 0xFFFFFFFF) @ keys[1:] + keys[0]) >> 32
        hashes.append(high[:, 0] << 32 | high[:, 1] & 0xFFFFFFFF)
    every = torch.cat(hashes)
    seen = (torch.unique(every[classed == c], return_counts=True)[1] for c in range(classes))
    return [(on[c].numpy(), dict(Counter(s.tolist()))) for c, s in enumerate(seen)]


def torch_best_threads(activations: np.ndarray, labels: np.ndarray, classes: int) -> Counts:
    """As torch_best, each operation on all cores: PyTorch's own default."""
    return torch_best(activations, labels, classes, os.cpu_count() or 1)


def infomeasure_states(activations: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """infomeasure as its documentation of entropy has it: the joint entropy of discrete variables, one for each neuron.

    np.unique(axis=0) inside, and about as slow.
    """
    import infomeasure as im  # pyright: ignore[reportMissingImports]

    states = activations > 0
    return np.array([im.entropy(states[labels == c], approach="discrete", base=2) for c in range(classes)])


def infomeasure_rows(activations: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """infomeasure given one discrete variable, each packed row seen as a single value: its fastest way."""
    import infomeasure as im  # pyright: ignore[reportMissingImports]

    rows = _rows(np.packbits(activations > 0, axis=1))
    return np.array([im.entropy(rows[labels == c], approach="discrete", base=2) for c in range(classes)])


def hoi_words(activations: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """hoi's entropy of discrete variables ("binning"), one compiled call for each class, given 32 neurons a variable.

    Given a variable for each neuron, as its documentation of entropy has it, it sorts by every neuron and takes longer
    and longer to compile: 6 s for 256 neurons; 4,096 were not tried. Even so it compiles anew for each number of
    inputs, seconds for each class; time it after a first call that does not count.
    """
    from hoi.core import get_entropy  # pyright: ignore[reportMissingImports]

    entropy = get_entropy(method="binning")
    words = _packed(activations > 0).view(np.int32)
    return np.array([entropy(words[labels == c].T) for c in range(classes)])


@dataclass(frozen=True)
class Peer:
    """A way that a user could pick.

    Attributes:
        name: as it stands in tables.
        needs: the package that must be importable; None for NumPy and the standard library.
        run: the way itself, of activations, labels and the number of classes.
        slow: takes so long that once or twice is enough.
        only_entropy: gives the joint plug-in entropy of each class in bits, and no counts.
        compiles: works far longer the first time that it sees a shape.
        ours_rewritten: jaxentropy's own method in NumPy, which no user has at hand: what the method alone is worth.
    """

    name: str
    needs: str | None
    run: Callable[[np.ndarray, np.ndarray, int], Counts | np.ndarray]
    slow: bool = False
    only_entropy: bool = False
    compiles: bool = False
    ours_rewritten: bool = False


def available(peer: Peer) -> bool:
    """Whether the package that a way needs is installed; does not import it."""
    return peer.needs is None or find_spec(peer.needs) is not None


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("NumPy, best: blocks, 64-bit hashes", None, numpy_best, ours_rewritten=True),
        Peer("NumPy, best, on all cores", None, numpy_best_threads, ours_rewritten=True),
        Peer("NumPy packbits, Counter of bytes", None, counters),
        Peer("NumPy packbits, np.unique of void views", None, void_views),
        Peer("NumPy packbits, one np.unique of all", None, one_unique),
        Peer("NumPy np.unique(axis=0)", None, unique_rows, slow=True),
        Peer("pandas groupby of hashed words", "pandas", pandas_hashes),
        Peer("polars group_by of packed words", "polars", polars_words),
        Peer("torch, best: blocks, 64-bit hashes", "torch", torch_best),
        Peer("torch, best, on all cores", "torch", torch_best_threads),
        Peer("torch.unique(dim=0)", "torch", torch_unique, slow=True),
        Peer("infomeasure, packed rows", "infomeasure", infomeasure_rows, only_entropy=True),
        Peer("infomeasure, a column a neuron", "infomeasure", infomeasure_states, slow=True, only_entropy=True),
        Peer("hoi binning, packed words", "hoi", hoi_words, slow=True, only_entropy=True, compiles=True),
    )
}
