"""JSON files, read strictly: what Python's reader lets through in silence is refused.

`json` accepts NaN and Infinity, which are no JSON, turns 1e999 into infinity,
keeps the last of two equal keys, and fails in odd places on very deep nesting
or on half of a surrogate pair. None of that belongs into a measurement. A file
is opened only if it is one: reading from a named pipe would wait for ever.
"""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

#: A record of this book takes well under 1 MiB; parsing takes about ten times the size.
LARGEST_BYTES = 64 * 2**20

#: A record nests eight deep.
DEEPEST = 64

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class Unreadable(ValueError):
    """A file's bytes cannot be had."""


class Damaged(ValueError):
    """A file's bytes are not what JSON allows."""


def read(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    Unreadable
        If it is no regular file, larger than `LARGEST_BYTES`, or the system refuses.
    Damaged
        If it is empty, not UTF-8, not JSON, or JSON that has no single meaning.
    """
    content = read_bytes(path)
    if not content.strip():
        raise Damaged("the file is empty")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damaged(f"not UTF-8: {error.reason} at byte {error.start}") from None
    return parse(text)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file of at most `LARGEST_BYTES`.

    Raises
    ------
    Unreadable
        If it is something else, or the system refuses.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            _check_kind(os.fstat(file.fileno()))
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    except ValueError as error:  # a null character in the path
        raise Unreadable(str(error)) from None
    if len(content) > LARGEST_BYTES:  # grew meanwhile, or has no size beforehand
        raise Unreadable(_too_large(len(content)))
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a named pipe would, until somebody writes into it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_kind(facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = next((words for test, words in _KINDS if test(facts.st_mode)), "no file")
        raise Unreadable(f"it is {kind}, expected a file")
    if facts.st_size > LARGEST_BYTES:
        raise Unreadable(_too_large(facts.st_size))


def _too_large(size: int) -> str:
    return (
        f"it has at least {size:,} bytes, and no record has more than {LARGEST_BYTES:,}: "
        "it is something else"
    )


def parse(text: str) -> Any:
    """Return what JSON text means.

    Raises
    ------
    Damaged
        If it is not JSON, or has no single meaning.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_without_duplicates,
        )
    except RecursionError:
        raise Damaged("nested too deeply") from None
    except ValueError as error:
        raise Damaged(str(error)) from None
    _check_values(value)
    return value


def _refuse_constant(name: str) -> None:
    raise Damaged(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Damaged(f"{_short(text)} is larger than any float")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Damaged(f"key {_short(key)!r} appears twice in one object")
        found[key] = value
    return found


def _check_values(value: Any) -> None:
    """Raise if containers nest deeper than `DEEPEST`, or a text is no Unicode text."""
    level = [value]
    for _ in range(DEEPEST + 1):
        inner = []
        for each in level:
            if isinstance(each, str):
                _check_text(each)
            elif isinstance(each, dict):
                inner += each.keys()
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        if not inner:
            return
        level = inner
    raise Damaged(f"nested more than {DEEPEST} deep")


def _check_text(text: str) -> None:
    """Raise on half of a surrogate pair: it can be neither printed nor written."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Damaged(f"{_short(text)!r} is not Unicode text") from None


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
