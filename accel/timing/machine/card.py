"""The machine in words: its card, and its weather. `accel.timing.machine` gathers the facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def card(machine: Mapping[str, Any], software: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the machine card: rows of label and value, in words.

    Parameters
    ----------
    machine, software : mapping
        Answers of `describe` and `software`, here or from a record.
    """

    def known(name: str, words: Callable[[Any], str] = str) -> str:
        value = machine[name]
        return f"unknown: {machine['unknown'][name]}" if value is None else words(value)

    return [
        ("System", f"{machine['system']} on {machine['architecture']}"),
        ("Processor", known("model")),
        ("Cores", known("physical_cores", lambda cores: counted(cores, "core"))),
        ("Logical CPUs", known("logical_cores", lambda cpus: f"{cpus} usable by this process")),
        ("Widest vector", known("vector_bits", _vector_words)),
        ("Vector instructions", known("vector_features", ", ".join)),
        *(_cache_rows(machine["caches"] or []) or [("Caches", known("caches"))]),
        ("Memory", known("memory_bytes", _size)),
        ("Hypervisor", known("hypervisor")),
        ("Clock governor", known("governor")),
        *[("BLAS", _blas_words(library)) for library in software["blas"]],
        ("Python", software["python"]),
        ("NumPy", software["numpy"] or "not installed"),
        ("Numba", software["numba"] or "not installed"),
    ]


def weather(load: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what changes while one looks: rows of label and value, in words.

    Parameters
    ----------
    load : mapping
        Answer of `load`.
    """

    def known(value: Any, words: Callable[[Any], str]) -> str:
        return "unknown: this system does not say" if value is None else words(value)

    quota = load["cpu_quota"]
    return [
        (
            "Load average",
            known(
                load["load_average"],
                lambda averages: f"{', '.join(f'{a:.2f}' for a in averages)} "
                "over 1, 5 and 15 minutes",
            ),
        ),
        ("Clock now", known(load["mhz"], lambda mhz: f"{mhz / 1000:.2f} GHz")),
        (
            "Withheld by the hypervisor",
            known(load["ticks"], lambda ticks: f"{_stolen_share(ticks):.2%} since the start"),
        ),
        ("Share of the CPUs", "no limit" if quota is None else f"{quota:g} CPUs' worth of time"),
    ]


def _stolen_share(ticks: Mapping[str, int]) -> float:
    return ticks["stolen"] / max(1, ticks["stolen"] + ticks["busy"])


def _cache_rows(caches: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return one row per level and type; on a hybrid processor it holds several caches."""
    rows: dict[str, list[str]] = {}
    for cache in caches:
        level = "?" if cache["level"] is None else cache["level"]
        kind = f" {cache['type']}" if cache["type"] in ("data", "instruction") else ""
        place = (cache["level"], cache["type"])
        alone = sum((c["level"], c["type"]) == place for c in caches) == 1
        where = "" if alone else f" (on {counted(cache['cpus'], 'CPU')})"
        rows.setdefault(f"L{level}{kind} cache", []).append(_cache_words(cache) + where)
    return [(label, "; ".join(words)) for label, words in rows.items()]


def _cache_words(cache: Mapping[str, Any]) -> str:
    sharers = cache["shared_by_cores"]
    words = "size unknown" if cache["size_bytes"] is None else _size(cache["size_bytes"])
    if sharers:
        words += " per core" if sharers == 1 else f" shared by {sharers} cores"
    if cache["ways"]:
        words += f", {cache['ways']}-way"
    if cache["line_bytes"]:
        words += f", {cache['line_bytes']}-byte lines"
    return words


def _vector_words(bits: int) -> str:
    return f"{bits} bits: {bits // 32} float32 or {bits // 64} float64"


def _blas_words(library: Mapping[str, Any]) -> str:
    family, threads = library["kernel_family"], library["threads"]
    parts = [
        f"{library['name']} {library['version'] or '(version unknown)'}",
        f"{family} kernels" if family else "kernel family unknown: the library does not say",
        counted(threads, "thread") if threads else "threads unknown: the library does not say",
    ]
    return ", ".join(parts)


def counted(number: int, thing: str) -> str:
    """Return ``1 core``, ``2 cores``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _size(size_bytes: int) -> str:
    """Return a size as data sheets have it: no digits after a whole number."""
    power = min(3, max(0, (size_bytes.bit_length() - 1) // 10))
    return f"{round(size_bytes / 1024**power, 2):g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
