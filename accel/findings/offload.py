"""What a device would gain: measured on this machine, modelled on the other side of a link.

A call that is offloaded takes the time of its latency, of its way there and back, and of the
work on the device:

    t = latency + bytes / link + max(FLOPs / peak, bytes / memory)

The time on the CPU is measured. The device is *given*: a data sheet's figures, none of which
any program reaches, so that the model flatters the device. Every gain here is a measured time
over a modelled one, and the words say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, code
from accel.timing.stats import Interval


@dataclass(frozen=True)
class Device:
    """A device as its data sheet has it. Modelled, not measured.

    Parameters
    ----------
    name : str
    source : str
        Where the figures were published.
    peak_gflops : float
        Arithmetic in float32, in GFLOP/s.
    memory_gb_s, link_gb_s : float
        Bandwidth of its own memory, and of the link to the host in one direction, in GB/s.
    latency_ns : float
        Of a call, however small: copies and launch have to be asked for.
    """

    name: str
    source: str
    peak_gflops: float
    memory_gb_s: float
    link_gb_s: float
    latency_ns: float

    def __post_init__(self):
        for name in ("peak_gflops", "memory_gb_s", "link_gb_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{self.name}: expected {name} above 0, got {getattr(self, name)}")
        if not self.latency_ns >= 0:
            raise ValueError(
                f"{self.name}: expected latency_ns of at least 0, got {self.latency_ns}"
            )

    def moving_ns(self, moved_bytes: float) -> float:
        """Return latency and way there and back, in ns."""
        return self.latency_ns + moved_bytes / self.link_gb_s

    def computing_ns(self, flops: float, touched_bytes: float) -> float:
        """Return the work on the device at its roof, in ns."""
        return max(flops / self.peak_gflops, touched_bytes / self.memory_gb_s)


@dataclass(frozen=True)
class Offload:
    """A measured call, and what would become of it on a device.

    Parameters
    ----------
    case : CaseView
    kernel : str
        The one that is fastest here.
    cpu : Interval
        Its time, in ns. Measured.
    moving_ns, computing_ns : float
        Latency and way, and work. Modelled.
    """

    case: CaseView
    kernel: str
    cpu: Interval
    moving_ns: float
    computing_ns: float

    @property
    def gain(self) -> Interval:
        """How many times as fast the call would be, arrays moved there and back."""
        return _over(self.cpu, self.moving_ns + self.computing_ns)

    def gain_staying(self, latency_ns: float) -> Interval:
        """The same where operands and result stay on the device."""
        return _over(self.cpu, latency_ns + self.computing_ns)

    def gain_if(self, faster: float) -> Interval:
        """The same with a device that computes so many times as fast as this CPU."""
        ends = [
            time / (self.moving_ns + time / faster)
            for time in (self.cpu.value, self.cpu.low, self.cpu.high)
        ]
        return Interval(*ends, self.cpu.coverage)

    @property
    def intensity(self) -> float:
        """FLOPs for each byte that is moved."""
        return self.case.flops / self.case.compulsory_bytes


def _over(time: Interval, modelled: float) -> Interval:
    return Interval(
        time.value / modelled, time.low / modelled, time.high / modelled, time.coverage
    )


def offloads(
    record: Record, device: Device, operation: str | None = None, *, shaken: bool = False
) -> list[Offload]:
    """Return what would become of each call, those that move least first.

    Its time here is that of the fastest of the case's kernels: the CPU as well as it can be
    used.

    Parameters
    ----------
    record : Record
    device : Device
    operation : str, optional
        Calls of this one alone.
    shaken : bool
        Whether to return unstable calls too: they are shown, and not judged.

    Raises
    ------
    ValueError
        If a case declares no bytes: there is then nothing to move.
    """
    found = []
    for case in record.cases:
        if operation not in (None, case.operation) or not (case.stable or shaken):
            continue
        if not case.compulsory_bytes:
            raise ValueError(
                f"{record.experiment}: {case.operation} at {case.label} declares no bytes to move"
            )
        fastest = min(case.kernels, key=lambda kernel: case.time_ns(kernel).value)
        moved = case.compulsory_bytes
        found.append(
            Offload(
                case, fastest, case.time_ns(fastest), device.moving_ns(moved),
                device.computing_ns(case.flops, moved),
            )
        )  # fmt: skip
    return sorted(found, key=lambda each: each.case.compulsory_bytes)


def operations(record: Record) -> list[str]:
    """Return the operations of a record, in its order."""
    return list(dict.fromkeys(case.operation for case in record.cases))


def device_table(device: Device) -> Table:
    """Return what the model is given, each figure marked as what it is."""
    rows = [
        ["Arithmetic, float32", _given(device.peak_gflops, "GFLOP/s"), device.source],
        ["Its memory", _given(device.memory_gb_s, "GB/s"), device.source],
        ["The link, one direction", _given(device.link_gb_s, "GB/s"), device.source],
        ["Latency of a call", words.duration(device.latency_ns), "assumed here"],
    ]
    caption = f"{device.name}, as the model has it: given, not measured"
    return Table(caption, ["What", "Given", "From"], rows)


def _given(value: float, unit: str) -> str:
    """Return a figure with all the digits it was published with."""
    return f"{value:,g}{words.NO_BREAK}{unit}"


def gains_table(record: Record, device: Device) -> Table:
    """Return each call: measured here, modelled there. Unstable ones have no gain."""
    rows = [
        [
            code(each.case.operation),
            size_of(each.case),
            words.number(each.intensity),
            words.duration(each.cpu.value),
            words.duration(each.moving_ns),
            words.duration(each.computing_ns),
            words.with_interval(each.gain, words.factor) if each.case.stable else "unstable",
            words.factor(each.gain_staying(device.latency_ns).value) if each.case.stable else "–",
        ]
        for operation in operations(record)
        for each in offloads(record, device, operation, shaken=True)
    ]
    headers = [
        "Operation", "Size", "FLOPs per byte moved", "CPU, measured", "Latency and way, modelled",
        "Work there, modelled", "Gain, modelled", "Gain if data stay there, modelled",
    ]  # fmt: skip
    return Table(f"Calls on this CPU and on a modelled {device.name}", headers, rows)


def size_of(case: CaseView) -> str:
    """Return the sizes of a case in words: ``n = 512``."""
    sizes = {
        key: value
        for key, value in case.parameters.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    return ", ".join(f"{key} = {words.count(value)}" for key, value in sizes.items())


def _unstable(record: Record, operation: str) -> str:
    """Return the reasons why calls of an operation are left out, as a sentence; or nothing."""
    shaken = [c for c in record.cases if c.operation == operation and not c.stable]
    if not shaken:
        return ""
    reasons = "; ".join(dict.fromkeys(reason for case in shaken for reason in case.reasons))
    return (
        f" Not judged, since unstable ({reasons}): "
        f"{'; '.join(size_of(case) for case in shaken)}."
    )


def break_even_sentence(record: Record, device: Device, operation: str) -> Sentence:
    """Say between which sizes an operation breaks even, if it does, by the model.

    A size is ahead or behind only if the whole interval of its gain is.
    """
    each = offloads(record, device, operation)
    end = _unstable(record, operation)
    if not each:
        return Sentence(f"{code(operation)} is not judged.{end}")
    ahead = [one for one in each if one.gain.low > 1]
    behind = [one for one in each if one.gain.high < 1]
    name, most = code(operation), max(each, key=lambda one: one.gain.value)
    best = f"{words.factor(most.gain.value)} at {size_of(most.case)}"
    if not ahead and not behind:
        text = f"{name} neither gains nor loses where it was measured: at most {best}."
    elif not ahead:
        text = f"{name} loses by being offloaded wherever that is resolved; its best is {best}."
    elif not behind:
        text = f"{name} gains wherever that is resolved, {best} at most."
    elif each.index(behind[-1]) < each.index(ahead[0]):
        text = (
            f"{name} breaks even between {size_of(behind[-1].case)} and "
            f"{size_of(ahead[0].case)}; it gains {best}."
        )
    else:
        text = (
            f"{name} has no one size at which it breaks even: it gains at "
            f"{words.listed(size_of(one.case) for one in ahead)}, and loses at "
            f"{words.listed(size_of(one.case) for one in behind)}."
        )
    return Sentence(f"By the model, {text}{end}")


def break_even_intensity(cpu_gflops: float, device_gflops: float, link_gb_s: float) -> float | None:
    """Return the FLOPs per moved byte from which on a call gains; None if it never does.

    Latency is left out: it is nothing to a large call. The solution of
    ``1 / link + I / device = I / cpu``.
    """
    saved = 1 / cpu_gflops - 1 / device_gflops  # ns for each FLOP
    return None if saved <= 0 else 1 / (link_gb_s * saved)


def intensity_sentence(record: Record, device: Device, operation: str) -> Sentence:
    """Say which intensity an operation would need, and which it has, at its largest size.

    Which is more is said only if it is for the whole interval of the CPU's rate.
    """
    each = offloads(record, device, operation)
    if not each:
        return Sentence(f"{code(operation)} is not judged.{_unstable(record, operation)}")
    largest = each[-1]
    rate, has = largest.case.gflops(largest.kernel), largest.intensity
    there = largest.case.flops / largest.computing_ns
    low, needed, high = (
        break_even_intensity(each, there, device.link_gb_s) or math.inf
        for each in (rate.low, rate.value, rate.high)
    )
    start = (
        f"{code(operation)} at {size_of(largest.case)} runs at {words.gflops(rate.value)} on this "
        "CPU"
    )
    if math.isinf(needed):
        return Sentence(f"{start}, which is no less than the roof of the device: it cannot gain.")
    verdict = "more" if has > high else "less" if has < low else "too near to tell"
    return Sentence(
        f"{start}. Latency aside, the way is then paid for from {words.number(needed)} FLOPs per "
        f"moved byte on; it has {words.number(has)}, which is {verdict}."
    )


def largest_share(faster: float, wanted: float) -> float:
    """Return the most that latency and way may take of the CPU's time, for a gain as wanted.

    With c the CPU's time, ``c / (way + c / faster) >= wanted`` as long as
    ``way <= c (1 / wanted - 1 / faster)``. Negative if no way is short enough.

    Raises
    ------
    ValueError
        If a factor is not positive.
    """
    if not (faster > 0 and wanted > 0):
        raise ValueError(f"expected factors above 0, got {faster} and {wanted}")
    return 1 / wanted - 1 / faster


def hidden_sentence(
    record: Record, device: Device, faster: float = 10, wanted: float = 1.5
) -> Sentence:
    """Say when a device that computes so much faster gives less than what is wanted, and where.

    Parameters
    ----------
    record : Record
        What the CPU takes. Measured.
    device : Device
        Whose latency and link are taken. Modelled.
    faster : float
        How many times as fast as this CPU every computation is held to be there.
    wanted : float
        The gain that would be worth it.
    """
    share = largest_share(faster, wanted)
    gain, worth = f"{faster:g}×", f"{wanted:g}×"
    rule = (
        f"Compute that is {gain} as fast gives less than {worth} as soon as latency and way take "
        f"more than {words.number(100 * share)} % of the CPU's time."
        if share > 0
        else f"Compute that is {gain} as fast cannot give {worth}, however short the way."
    )
    found = [_where_hidden(record, device, faster, wanted, each) for each in operations(record)]
    return Sentence(f"{rule} Of the calls measured here, {'; '.join(found)}.")


def _where_hidden(record, device, faster, wanted, operation: str) -> str:
    each = offloads(record, device, operation)
    less = [one for one in each if one.gain_if(faster).high < wanted]
    unsure = [one for one in each if one.gain_if(faster).low < wanted <= one.gain_if(faster).high]
    name = code(operation)
    if not each:
        return f"{name} is not judged, since unstable"
    if len(less) == len(each):
        most = max(one.gain_if(faster).value for one in each)
        return f"{name} does so at every size, and reaches {words.factor(most)} at most"
    unclear = f", and at {words.listed(size_of(u.case) for u in unsure)} may" if unsure else ""
    if not less:
        return f"{name} does so at no size{unclear}"
    return f"{name} does so at {words.listed(size_of(one.case) for one in less)}{unclear}"


def claim_sentence(record: Record, device: Device, low: float, high: float) -> Sentence:
    """Say how many of the calls the model puts into a claimed range, moved and staying."""
    each = offloads(record, device)
    if not each:
        return Sentence("No call was stable enough to be held against the claim.")
    claimed = words.claimed_range(low, high)
    moved = [one.gain for one in each]
    stay = [one.gain_staying(device.latency_ns) for one in each]
    return Sentence(
        f"The source claims {claimed}. Of {words.count(len(each))} calls, the model has "
        f"{_within(moved, low, high)} when arrays are moved there and back, and "
        f"{_within(stay, low, high)} when they stay on the device."
    )


def _within(gains: Sequence[Interval], low: float, high: float) -> str:
    inside = sum(low <= gain.low and gain.high <= high for gain in gains)
    losing = sum(gain.high < 1 for gain in gains)
    spanned = words.span(
        min(gain.value for gain in gains), max(gain.value for gain in gains), words.factor
    )
    return f"{inside or 'none'} in that range, {losing or 'none'} below 1×, and {spanned} in all"


def no_device_sentence(reason: str) -> Sentence:
    """Say that no device was measured, and why."""
    return Sentence(f"No GPU on this build: {reason}.")
