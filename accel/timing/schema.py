"""What the file of a record must hold, so that a damaged one is refused before it is used.

Every view of a record (a time, a speed-up, a verdict) works on data that passes
`check`. What is not needed for that may be there, and is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

#: Beyond this no clock, counter or size goes; it also keeps quotients within a float.
LARGEST = 2**63


class Fault(ValueError):
    """What is wrong with a record, and where in it."""


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _is_positive(value: Any) -> bool:
    return _is_count(value) and value > 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST and math.isfinite(value)


def _is_list_of(each: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(each, value))


def _is_filled_list_of(each: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: bool(value) and _is_list_of(each)(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


#: Key -> (what its value must be, in words; the test of it).
Fields = Mapping[str, tuple[str, Callable[[Any], bool]]]

_TEXT = ("text", _is_text)
_OBJECT = ("an object", _is_object)
_NUMBER = ("a number", _is_number)
_COUNT = ("a whole number, not negative", _is_count)

_RECORD: Fields = {
    **dict.fromkeys(("experiment", "question", "script", "profile", "created"), _TEXT),
    **dict.fromkeys(("elapsed_s", "budget_s"), _NUMBER),
    **dict.fromkeys(("sources", "machine", "software", "clock", "protocol"), _OBJECT),
    "fingerprint": _TEXT,
    "cases": ("a list of objects, at least one", _is_filled_list_of(_is_object)),
}
_PROTOCOL: Fields = {
    **dict.fromkeys(("processes", "threads"), ("a positive whole number", _is_positive)),
    "order": _TEXT,
}
_CASE: Fields = {
    **dict.fromkeys(("operation", "baseline"), _TEXT),
    **dict.fromkeys(("parameters", "kernels", "again"), _OBJECT),
    **dict.fromkeys(("flops", "compulsory_bytes"), _COUNT),
    "stable": ("true or false", lambda value: isinstance(value, bool)),
    "reasons": ("a list of texts", _is_list_of(_is_text)),
}
_ENTRY: Fields = {
    "processes": ("a list of objects, at least one", _is_filled_list_of(_is_object)),
}
_KERNEL: Fields = {
    **_ENTRY,
    **dict.fromkeys(("instrument", "story"), _TEXT),
    "peak_alloc_bytes": (f"{_COUNT[0]}, or null", lambda value: value is None or _is_count(value)),
}
_PROCESS: Fields = {
    "first_call_ns": _COUNT,
    "loops": ("a positive whole number", _is_positive),
    "samples_ns": (
        "a list of positive whole numbers, at least one",
        _is_filled_list_of(_is_positive),
    ),
    "involuntary_switches": (
        "a list of whole numbers, or null",
        lambda value: value is None or _is_list_of(_is_count)(value),
    ),
}


def check(data: Mapping[str, Any]) -> None:
    """Raise if a record of the present schema is incomplete or damaged.

    Raises
    ------
    Fault
        The message names the place, what is expected there and what is there.
    """
    _check_fields(data, _RECORD, "")
    protocol = data["protocol"]
    known = {key: rule for key, rule in _PROTOCOL.items() if key in protocol}
    _check_fields(protocol, known, "protocol: ")
    for number, case in enumerate(data["cases"]):
        _check_case(case, f"case {number}: ")


def _check_case(case: Mapping[str, Any], where: str) -> None:
    _check_fields(case, _CASE, where)
    if case["baseline"] not in case["kernels"]:
        raise Fault(f"{where}baseline {case['baseline']!r} is not among the kernels")
    for name, kernel in case["kernels"].items():
        place = f"{where}kernel {name}: "
        if not isinstance(kernel, dict):
            raise Fault(f"{place}must be an object, not {shown(kernel)}")
        _check_fields(kernel, _KERNEL, place)
        if not _is_object(kernel.get("memory", {})):  # optional: older records have none
            raise Fault(f"{place}memory must be an object, not {shown(kernel['memory'])}")
    _check_fields(case["again"], _ENTRY, f"{where}again: ")
    entries = [*case["kernels"].items(), ("again", case["again"])]
    for name, entry in entries:
        for number, process in enumerate(entry["processes"]):
            _check_fields(process, _PROCESS, f"{where}{name}: process {number}: ")
            switches, samples = process["involuntary_switches"], process["samples_ns"]
            if switches is not None and len(switches) != len(samples):
                raise Fault(
                    f"{where}{name}: process {number}: involuntary_switches must be one per "
                    f"sample, {len(samples)}, not {len(switches)}"
                )
    rounds = {tuple(len(p["samples_ns"]) for p in entry["processes"]) for _, entry in entries}
    if len(rounds) > 1:
        raise Fault(f"{where}the kernels do not have the same processes and rounds")


def _check_fields(data: Mapping[str, Any], fields: Fields, where: str) -> None:
    missing = [key for key in fields if key not in data]
    if missing:
        raise Fault(f"{where}missing {', '.join(missing)}")
    for key, (expected, holds) in fields.items():
        if not holds(data[key]):
            raise Fault(f"{where}{key} must be {expected}, not {shown(data[key])}")


def shown(value: Any) -> str:
    """Return a value as Python writes it, cut short."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
