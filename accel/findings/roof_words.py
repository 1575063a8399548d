"""Roofs in words: tables of what a machine can do, and sentences that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accel.timing.records import CaseView
from accel.timing.report import Sentence, Table, paragraph, stamp, times
from accel.timing.roofs import RoofError, Roofs
from accel.timing.roofs.levels import size_words
from accel.timing.stats import Interval
from accel.timing.words import (
    NO_BREAK,
    duration,
    factor,
    gflops,
    gigabytes_per_second,
    number,
    with_interval,
)

#: A prediction holds if it is within this of what was measured: the clock of a processor
#: that raises it by itself varies by as much.
AS_PREDICTED = 0.1

#: Above the clock of any processor on sale in 2025, in GHz.
FASTEST_CLOCK_GHZ = 6.5

#: A register twice as wide that does so much more is twice as fast, for all that matters.
TWICE = 1.8


def predicted_peak_gflops(clock_ghz: float, vector_bits: int, ports: int, dtype: str) -> float:
    """Return clock × ports × lanes × 2: the arithmetic peak of one core in GFLOP/s.

    Parameters
    ----------
    clock_ghz : float
        Cycles per ns.
    vector_bits : int
        Width of the registers.
    ports : int
        Fused multiply-adds of that width that begin in a cycle.
    dtype : {"float32", "float64"}

    Raises
    ------
    ValueError
        If a number is not positive.
    """
    if not (clock_ghz > 0 and vector_bits > 0 and ports > 0):
        raise ValueError(
            f"a clock of {clock_ghz} GHz, {vector_bits} bits and {ports} ports predict nothing; "
            "all three must be positive"
        )
    lanes = vector_bits // {"float32": 32, "float64": 64}[dtype]
    return clock_ghz * ports * lanes * 2


def widths(case: CaseView) -> list[str]:
    """Return the kernels of a case of the peak, narrowest first."""
    return sorted(case.kernels, key=_bits)


def _bits(kernel: str) -> int:
    return 0 if kernel == "scalar" else int(kernel.removeprefix("bits_"))


def width_words(kernel: str) -> str:
    """Return the name of a width: ``256 bits``, ``one number``."""
    return "one number" if kernel == "scalar" else f"{_bits(kernel)}{NO_BREAK}bits"


def verdict(roofs: Roofs, clock_ghz: float, ports: int) -> Sentence:
    """Say how prediction and peak compare, what threads add, and how memory falls behind."""
    return paragraph(
        gap_sentence(roofs, clock_ghz, ports),
        threads_sentence(roofs),
        level_sentence(roofs),
        balance_sentence(roofs),
        stamp(roofs.peak),
    )


def ladder_verdict(roofs: Roofs) -> Sentence:
    """Say what the widths of registers tell about the units behind them."""
    return paragraph(width_sentence(roofs), scalar_sentence(roofs))


def _threads_words(threads: int) -> str:
    return f"{threads} thread{'' if threads == 1 else 's'}"


def ratio(above: Interval, below: Interval) -> Interval:
    """Return a quotient of two values that were not measured in turns.

    Its coverage is what can be said of both at once, without assuming them independent.
    """
    coverage = max(0.0, above.coverage + below.coverage - 1)
    low, high = above.low / below.high, above.high / below.low
    return Interval(above.value / below.value, low, high, coverage)


def peak_table(roofs: Roofs, every_width: bool = True) -> Table:
    """Return the arithmetic peak for each dtype, number of threads and register width.

    Parameters
    ----------
    roofs : Roofs
    every_width : bool
        Otherwise the widest registers only.
    """
    rows = [
        [
            case.parameters["dtype"],
            str(case.parameters["threads"]),
            width_words(kernel),
            with_interval(case.gflops(kernel), gflops),
            "yes" if case.stable else "no",
        ]
        for case in roofs.peak.cases
        for kernel in widths(case)
        if every_width or kernel == case.baseline
    ]
    headers = ["Numbers", "Threads", "Registers", "Peak", "Steady"]
    return Table("Arithmetic: fused multiply-adds in registers", headers, rows)


def level_table(roofs: Roofs) -> Table:
    """Return bandwidth and latency of each level of memory, in one thread."""
    probes = roofs.probes()
    headers = ["Level", "Up to", *probes]
    with_latency = roofs.latency is not None
    rows = []
    for level in roofs.levels():
        end = "–" if level.capacity_bytes is None else size_words(level.capacity_bytes)
        row = [level.name, end]
        row += [
            with_interval(level.bandwidth[each], gigabytes_per_second)
            if each in level.bandwidth
            else "–"
            for each in probes
        ]
        rows.append(row + ([with_interval(level.latency, duration)] if with_latency else []))
    caption = "Memory, in one thread; where a level ends was found from the curve"
    return Table(caption, headers + (["One access"] if with_latency else []), rows)


def prediction_sentence(facts: Mapping[str, Any], clock_ghz: float, ports: int) -> Sentence:
    """Return the predicted peak of one core, and what the prediction rests on.

    Parameters
    ----------
    facts : mapping
        Answer of `machine.describe`.
    clock_ghz : float
        Assumed.
    ports : int
        Assumed.
    """
    bits = facts["vector_bits"]
    width = f"{bits} bits, as the system says" if bits else "128 bits, since the system says none"
    rates = [predicted_peak_gflops(clock_ghz, bits or 128, ports, d) for d in _DTYPES]
    unsaid = " A virtual machine tells neither." if facts["virtualised"] else ""
    return Sentence(
        f"At {clock_ghz:.3g} GHz, with {ports} ports for multiply-adds and registers of {width}: "
        f"{gflops(rates[0])} in float32 and {gflops(rates[1])} in float64. Clock and ports are "
        f"assumptions.{unsaid}"
    )


_DTYPES = ("float32", "float64")


def gap_sentence(roofs: Roofs, clock_ghz: float, ports: int, dtype: str = "float32") -> Sentence:
    """Say how the measured peak of one core compares with the predicted one."""
    case = roofs.peak.case(dtype=dtype, threads=1)
    measured, bits = case.gflops(case.baseline), case.parameters["widest"]
    share = measured.value / predicted_peak_gflops(clock_ghz, bits, ports, dtype)
    if abs(share - 1) <= AS_PREDICTED:
        said = "as predicted, within the freedom of the clock"
    else:
        said = f"{factor(share)} of the prediction"
    starts = measured.value / predicted_peak_gflops(1, bits, 1, dtype)
    return Sentence(
        f"One core reaches {with_interval(measured, gflops)} in {dtype}: {said}. It begins "
        f"{number(starts)} multiply-adds of {bits} bits per nanosecond, which is one per cycle "
        f"at {number(starts)} GHz, or two at {number(starts / 2)} GHz: the product of clock and "
        "ports is all that this shows."
    )


def width_sentence(roofs: Roofs, dtype: str = "float32") -> Sentence:
    """Say what the widest registers give over those half as wide, and what that means."""
    case = roofs.peak.case(dtype=dtype, threads=1)
    widest = case.baseline
    narrower = f"bits_{_bits(widest) // 2}"
    if narrower not in case.kernels:
        return Sentence(f"Registers of {width_words(widest)} are the only vectors here.")
    speedup, word = case.speedup(widest, narrower), case.verdict(widest, narrower)
    if word == "faster" and speedup.value >= TWICE:
        meaning = "the units are as wide as the registers, and width is worth its full price"
    elif word == "faster":
        meaning = "wider registers help, but not in proportion to their width"
    elif word == "slower":
        meaning = "the widest registers cost speed, as they do where they lower the clock"
    elif word == "not resolved" and speedup.high < TWICE:
        meaning = (
            "an instruction on the widest registers does twice as much and takes twice as long, "
            "for the units behind them are half as wide. What is saved is instructions, not time"
        )
    elif word == "not resolved":
        meaning = "too uncertain to say what the width is worth"
    else:
        meaning = f"the run was unstable, and nothing follows ({'; '.join(case.reasons)})"
    return Sentence(
        f"Registers of {width_words(widest)} do {times(speedup)} the arithmetic of "
        f"{width_words(narrower)} in {dtype}: {meaning}."
    )


def scalar_sentence(roofs: Roofs, dtype: str = "float32") -> Sentence:
    """Say what vectors give over one number at a time, and how many ports that one needs."""
    case = roofs.peak.case(dtype=dtype, threads=1)
    gain, word = case.speedup(case.baseline, "scalar"), case.verdict(case.baseline, "scalar")
    starts = case.gflops("scalar").low / 2
    ports = math.ceil(starts / FASTEST_CLOCK_GHZ)
    said = f"One number at a time, {number(starts)} or more multiply-adds begin per nanosecond: "
    if ports > 1:
        said += f"no clock is that fast, so there are {ports} ports or more."
    else:
        said += "one port is enough for that."
    if word == "faster":
        return Sentence(
            f"{said} Vectors do {times(gain)} as much: code without them stays below "
            f"{number(100 / gain.value)} % of the peak, whatever else it does."
        )
    trouble = f" ({'; '.join(case.reasons)})" if word == "unstable" else ""
    return Sentence(f"{said} Vectors do {times(gain)} as much: {word}{trouble}.")


def threads_sentence(roofs: Roofs, dtype: str = "float32") -> Sentence:
    """Say what all threads give over one."""
    most = roofs.threads()[-1]
    if most == 1:
        return Sentence("There is one logical CPU here, so one thread is all.")
    gain = ratio(roofs.peak_gflops(dtype, most), roofs.peak_gflops(dtype, 1))
    if not gain.excludes(most):
        said = "every logical CPU adds a whole core's arithmetic"
    elif gain.low > 1:
        said = (
            "less than one core for each: they share units, clock or time with each other, "
            "or with other programs"
            if gain.high < most
            else "more than one core for each: the single thread had the slower clock"
        )
    else:
        said = "no gain that can be told from none"
    return Sentence(
        f"{_threads_words(most)} give {times(gain)} the peak of one in {dtype}: {said}."
    )


def level_sentence(roofs: Roofs) -> Sentence:
    """Say how bandwidth falls from the nearest level to the furthest."""
    levels = roofs.levels()
    if len(levels) == 1:
        return Sentence("The curve of bandwidth has no step: it shows one level of memory.")
    near, far = (level.bandwidth["load"] for level in (levels[0], levels[-1]))
    steps = ", ".join(
        f"{gigabytes_per_second(level.bandwidth['load'].value)} from {level.name}"
        for level in levels
    )
    return Sentence(
        f"One thread loads {steps}: {times(ratio(near, far))} as much from the nearest as from "
        "the furthest."
    )


def balance_sentence(roofs: Roofs, dtype: str = "float32") -> Sentence:
    """Say how much arithmetic a byte from memory must carry to keep a core busy."""
    furthest = max(roofs.curve("load"))
    balance = ratio(roofs.peak_gflops(dtype), roofs.bandwidth_gbs(furthest, "load"))
    size = {"float32": 4, "float64": 8}[dtype]
    return Sentence(
        f"Peak over the bandwidth of loads is {with_interval(balance, number)} FLOPs per byte from memory: a "
        f"{dtype} that is fetched must be used in {number(size * balance.value)} operations "
        "before the next arrives, or the core waits."
    )


def chains_sentence(roofs: Roofs) -> Sentence:
    """Say how many accesses to memory one core keeps in flight.

    Raises
    ------
    RoofError
        If that was not measured.
    """
    best, overlap = best_overlap(roofs)
    return Sentence(
        f"With {best} independent chains of accesses, one core completes {times(overlap)} as many "
        "as with one: so many misses are under way at once."
    )


def best_overlap(roofs: Roofs) -> tuple[int, Interval]:
    """Return the number of chains that completes most accesses, and how many times those of one.

    Raises
    ------
    RoofError
        If that was not measured.
    """
    if roofs.chains is None:
        raise RoofError("no chains were measured with these roofs; `accel machine --roofs` does")
    (case,) = roofs.chains.cases
    found = {
        int(kernel.removeprefix("chains_")): case.speedup(kernel, over="chains_1")
        for kernel in case.kernels
    }
    return max(found.items(), key=lambda entry: entry[1].value)


def age_sentence(roofs: Roofs, now: datetime) -> Sentence:
    """Say when, how and on what the roofs were measured.

    Parameters
    ----------
    now : datetime
        With a time zone.
    """
    minutes = max(0, round((now - datetime.fromisoformat(roofs.created)).total_seconds() / 60))
    for size, name in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        amount = minutes // size
        if amount:
            ago = f"{amount} {name}{'' if amount == 1 else 's'} ago"
            break
    else:
        ago = "just now"
    model = roofs.peak.machine.get("model") or "an unnamed processor"
    processes = roofs.peak.protocol["processes"]
    return Sentence(
        f"Measured on {model}, {ago}, in {processes} fresh processes, {roofs.peak.profile} profile."
    )


def summary(roofs: Roofs) -> dict[str, Any]:
    """Return the roofs as plain data, ready for JSON; rates in GFLOP/s and GB/s, times in ns."""
    answer: dict[str, Any] = {
        "created": roofs.created,
        "fingerprint": roofs.fingerprint,
        "peak_gflops": [
            {**_picked(case, "dtype", "threads"), "stable": case.stable, "registers": kernel}
            | case.gflops(kernel)._asdict()
            for case in roofs.peak.cases
            for kernel in widths(case)
        ],
        "levels": [
            {
                "name": level.name,
                "capacity_bytes": level.capacity_bytes,
                "bandwidth_gbs": {p: i._asdict() for p, i in level.bandwidth.items()},
                "latency_ns": level.latency and level.latency._asdict(),
            }
            for level in roofs.levels()
        ],
        "parallel_misses": None,
    }
    if roofs.chains is not None:
        best, overlap = best_overlap(roofs)
        answer["parallel_misses"] = {"chains": best, **overlap._asdict()}
    return answer


def _picked(case: CaseView, *names: str) -> dict[str, Any]:
    return {name: case.parameters[name] for name in names}
