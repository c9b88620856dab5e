"""English sentences of several kinds: what the docstrings of installed packages say."""

import ast
import importlib.util
from pathlib import Path

import numpy as np


def docstrings(package: str, most: int, seed: int) -> list[str]:
    """Docstrings of a package's functions and classes, at random, each once; the package is read, not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: pip install {package}")
    files = [path for path in sorted(Path(spec.origin).parent.rglob("*.py")) if "test" not in str(path)]
    found: dict[str, None] = {}
    for i in np.random.default_rng(seed).permutation(len(files)):
        for node in ast.walk(ast.parse(files[i].read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and len(text := ast.get_docstring(node) or "") > 200:
                found[text] = None
        if len(found) >= most:
            break
    return list(found)[:most]
