"""The contract of a results folder: what lies where, whose it is, and that nobody's is overwritten."""

import json
import os
import tomllib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jaxentropy.base.errors import InputError
from jaxentropy.base.files import write_text

CONFIG, PROFILE, STREAMED, SUMMARY, FIGURES, RECORDINGS = (
    "config.toml",
    "profile.nc",
    "stream.nc",  # if there: a profile of the same layers from a longer stream of inputs
    "summary.md",
    "figures",
    "recordings",
)


def read_config(folder: str | os.PathLike) -> Mapping[str, Any]:
    """The ``config.toml`` of a results folder; InputError if the folder is not one of ours."""
    path = Path(folder) / CONFIG
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        config = {}
    if "jaxentropy" not in config:
        raise InputError(f"{folder} is not a jaxentropy results folder: it has no {CONFIG} of ours")
    return config


def refuse_foreign(folder: Path) -> None:
    """Raise InputError if ``folder`` holds something that is not ours."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        try:
            read_config(folder)
        except InputError:
            raise InputError(
                f"{folder} exists and is not a jaxentropy results folder; choose another with --out"
            ) from None


def refuse_other(folder: Path, command: str, settings: dict[str, Any], *, may_differ: tuple[str, ...] = ()) -> None:
    """Raise InputError if ``folder`` is not ours, or holds the results of another command or other settings."""
    refuse_foreign(folder)
    if not (folder / CONFIG).exists():
        return
    settings, found = _settings(settings), read_config(folder)
    if found.get("command") != command:
        raise InputError(f"{folder} holds the results of `{found.get('command')}`; choose another --out, or delete it")
    differing = [
        key
        for key in sorted({*settings, *found} - {"jaxentropy", "command", "parts", "data", *may_differ})
        if settings.get(key) != found.get(key)
    ]
    if differing:
        differences = ", ".join(
            f"{key}: {found.get(key, 'default')}, not {settings.get(key, 'default')}" for key in differing
        )
        raise InputError(
            f"{folder} holds a run with other settings ({differences}); choose another --out, or delete it"
        )


def refuse_fewer(folder: Path, setting: str, number: int) -> None:
    """Raise InputError if ``folder`` holds a run with a greater number: a run may grow, but nothing is thrown away."""
    there = read_config(folder).get(setting, number) if (folder / CONFIG).exists() else number
    if there > number:
        raise InputError(
            f"{folder} holds a run with {there} {setting}, not {number}; give {there} or more, choose another --out, "
            "or delete it"
        )


def refuse_other_data(folder: Path, name: str, digest: str) -> None:
    """Raise InputError if ``folder`` holds a run on images or labels that were other than they are now."""
    if (folder / CONFIG).exists() and read_config(folder).get("data") != digest:
        raise InputError(
            f"{name} has changed since the run in {folder}; choose another --out, or delete the folder to run anew"
        )


def claim(folder: Path, command: str, settings: dict[str, Any]) -> None:
    """Make ``folder`` the results folder of this command by writing its ``config.toml``."""
    entries = {"jaxentropy": version("jaxentropy"), "command": command} | _settings(settings)
    write_text(
        folder / CONFIG,
        "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in entries.items()),
    )


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items() if v is not None}
