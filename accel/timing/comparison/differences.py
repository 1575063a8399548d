"""What two records were measured on and with, where that differs.

It comes before every ratio: between two machines a ratio compares the machines,
between two versions of a library it compares these too, and only if nothing is
different but the code does it compare the code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from accel.timing.records import Record

#: Facts of the protocol that decide what is measured, not how finely.
DECISIVE = ("threads", "cache", "order")


@dataclass(frozen=True)
class Difference:
    """One fact that is not the same in both records, in words.

    Parameters
    ----------
    part : {"machine", "set-up", "software", "run", "code"}
    what : str
        The fact: ``"processor"``, ``"NumPy"``, ``"caches"``.
    old, new : str
        What it is in each.
    experiments : tuple of str
        Where it differs.
    """

    part: str
    what: str
    old: str
    new: str
    experiments: tuple[str, ...]


#: (part, what to call it, where it stands in a record), most telling first.
_FACTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("machine", "processor", ("machine", "model")),
    ("machine", "architecture", ("machine", "architecture")),
    ("machine", "cores", ("machine", "physical_cores")),
    ("machine", "caches", ("machine", "caches")),
    ("machine", "vector features", ("machine", "vector_features")),
    ("machine", "vector bits", ("machine", "vector_bits")),
    ("set-up", "system", ("machine", "system")),
    ("set-up", "usable CPUs", ("machine", "logical_cores")),
    ("set-up", "memory in bytes", ("machine", "memory_bytes")),
    ("set-up", "hypervisor", ("machine", "hypervisor")),
    ("set-up", "clock governor", ("machine", "governor")),
    ("software", "Python", ("software", "python")),
    ("software", "NumPy", ("software", "numpy")),
    ("software", "Numba", ("software", "numba")),
    ("software", "llvmlite", ("software", "llvmlite")),
    ("software", "BLAS", ("software", "blas")),
    ("software", "removed overrides", ("software", "removed_overrides")),
    ("run", "fingerprint", ("fingerprint",)),
    ("run", "profile", ("profile",)),
    ("code", "script", ("script",)),
    ("code", "package source", ("sources", "accel")),
    ("code", "experiment's definition", ("sources", "definition")),
)


def between(old: Record, new: Record) -> list[Difference]:
    """Return what differs between two records of one experiment, most telling first."""
    facts = [*_FACTS, *_protocol_facts(old, new)]
    found = []
    for part, what, path in facts:
        before, after = _at(old.data, path), _at(new.data, path)
        if before != after:
            words = _WORDS.get(what, _plain)
            old_words, new_words = words(before, after), words(after, before)
            found.append(Difference(part, what, old_words, new_words, (new.experiment,)))
    return found


def merged(differences: Iterable[Difference]) -> list[Difference]:
    """Return differences with the same words once, with all their experiments."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for each in differences:
        groups.setdefault((each.part, each.what, each.old, each.new), []).append(each)
    order = [what for _, what, _ in _FACTS]
    rank = {what: place for place, what in enumerate(order)}
    return [
        Difference(*words, tuple(name for each in alike for name in each.experiments))
        for words, alike in sorted(groups.items(), key=lambda item: rank.get(item[0][1], len(rank)))
    ]


def _protocol_facts(old: Record, new: Record) -> list[tuple[str, str, tuple[str, ...]]]:
    names = dict.fromkeys((*old.protocol, *new.protocol))
    return [("run", f"protocol: {name}", ("protocol", name)) for name in names]


def conflict(old: Record, new: Record) -> str:
    """Return why two records do not measure the same thing, "" if they do.

    Fewer rounds or processes measure the same less finely; other threads, an
    emptied cache, another order, single calls or no warm-up measure something else.
    """

    def decides(record: Record) -> dict[str, Any]:
        protocol = record.protocol
        return {
            **{name: protocol.get(name) for name in DECISIVE},
            "single calls": protocol.get("min_sample_ns") == 0,
            "warm-up": protocol.get("warmup_s") != 0,
        }

    before, after = decides(old), decides(new)
    clashes = [
        f"{name} {_plain(before[name])} in old, {_plain(after[name])} in new"
        for name in before
        if before[name] != after[name]
    ]
    return f"protocols differ: {', '.join(clashes)}" if clashes else ""


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _plain(value: Any, other: Any = None) -> str:
    """Return any JSON value in words."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value) or "none"
    if value == {}:
        return "none"
    return json.dumps(value, ensure_ascii=False)


def _digest(value: Any, other: Any = None) -> str:
    """Return the beginning of a digest: nobody compares 64 digits by eye."""
    return value[:12] if isinstance(value, str) else _plain(value)


def _features(value: Any, other: Any) -> str:
    """Return the features that the other side lacks: the lists are long."""
    if not (isinstance(value, list) and isinstance(other, list)):
        return _plain(value)
    extra = [each for each in value if each not in other]
    return f"has {_plain(extra)}" if extra else "has fewer"


def _caches(value: Any, other: Any = None) -> str:
    """Return caches as ``L1 data 32 KiB, L2 unified 1 MiB``."""
    try:
        words = [f"L{c['level']} {c['type']} {_size(c['size_bytes'])}" for c in value]
        return _plain([*dict.fromkeys(words)])
    except (TypeError, KeyError, OverflowError):  # not as this version writes them
        return _plain(value)


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return "of unknown size"
    return f"{size_bytes / 1024:g} KiB" if size_bytes < 2**20 else f"{size_bytes / 2**20:g} MiB"


def _libraries(value: Any, other: Any = None) -> str:
    """Return BLAS libraries as ``openblas 0.3.31, SkylakeX kernels, 1 thread``."""
    try:
        return "; ".join(
            f"{b['name']} {b['version']}, {b['kernel_family']} kernels, threads {b['threads']}"
            for b in value
        )
    except (TypeError, KeyError):
        return _plain(value)


def _settings(value: Any, other: Any = None) -> str:
    """Return variables as a shell sets them."""
    if not isinstance(value, dict) or not value:
        return _plain(value)
    return ", ".join(f"{name}={_plain(setting)}" for name, setting in value.items())


_WORDS: Mapping[str, Callable[[Any, Any], str]] = {
    "caches": _caches,
    "vector features": _features,
    "BLAS": _libraries,
    "removed overrides": _settings,
    "package source": _digest,
    "experiment's definition": _digest,
}


def meaning(differences: Iterable[Difference], fingerprints_agree: bool) -> str:
    """Say, in one sentence, what a ratio compares where these differences are."""
    parts = {each.part for each in differences}
    if "machine" in parts:
        return "The machines differ: ratios compare machines, not code."
    if "software" in parts:
        return "The software differs: ratios compare these libraries together with the code."
    if not fingerprints_agree:
        return "The fingerprints differ: ratios compare machines, not code."
    if "set-up" in parts:
        return "The machine is set up differently: ratios compare that together with the code."
    if "code" in parts:
        return "Same machine, same software: ratios compare code, and two moments of the machine."
    return "Same machine, software and code: ratios compare two moments of the machine."
