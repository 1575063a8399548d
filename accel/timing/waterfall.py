"""A waterfall: the time of one FLOP, falling as one layer after another is taken away.

Each factor is measured between neighbours of one case, in the same rounds of the same
processes. Where the chain goes on at another size it goes on with the same kernel, and
what changes there is no gain of anybody's: it has no factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accel.timing import cost, noise
from accel.timing.records import CaseView
from accel.timing.report import Sentence, Table, code, floor_text, speedup_sentence, times
from accel.timing.stats import Interval, median
from accel.timing.words import NO_BREAK, count, duration, factor, listed, number, span, with_interval

if TYPE_CHECKING:
    from accel.timing.roofs import Roofs


@dataclass(frozen=True)
class Layer:
    """One step of a waterfall.

    Parameters
    ----------
    kernel : str
        What runs once the layer is gone.
    removes : str
        The layer, in a word or two. Empty for the start and where the size changes.
    case : CaseView
    over : str or None
        The kernel before it, in the same case; None where there is no such thing.
    """

    kernel: str
    removes: str
    case: CaseView
    over: str | None = None

    @property
    def ns_per_flop(self) -> Interval:
        """Time of one floating-point operation, in ns."""
        time, flops = self.case.time_ns(self.kernel), self.case.flops
        return Interval(time.value / flops, time.low / flops, time.high / flops, time.coverage)

    @property
    def factor(self) -> Interval | None:
        """How many times faster than the step before it; None without one."""
        return self.over and self.case.speedup(self.kernel, self.over)

    @property
    def verdict(self) -> str | None:
        """What may be said of the factor; one of `noise.VERDICTS`."""
        return self.over and self.case.verdict(self.kernel, self.over)


def layers(*parts: tuple[CaseView, Mapping[str, str]]) -> list[Layer]:
    """Return the steps of a waterfall that runs through one or more cases.

    Parameters
    ----------
    *parts : (CaseView, mapping)
        A case, and its kernels, slowest first, each with what it removes of the one
        before. Each part begins with the kernel that the one before it ended with.

    Raises
    ------
    KeyError
        If a case has no such kernel; the message lists those it has.
    ValueError
        If there is nothing to compare, or a part does not take up where another ended.
    """
    chain: list[Layer] = []
    for case, removes in parts:
        names = list(removes)
        if len(names) < 2:
            raise ValueError(f"a waterfall needs two kernels at {case.label}, got {names}")
        for name in names:
            case.story(name)  # raises if there is none
        if chain and chain[-1].kernel != names[0]:
            raise ValueError(
                f"the waterfall breaks at {case.label}: it came to {chain[-1].kernel!r} and goes "
                f"on with {names[0]!r}; begin each part with the kernel that ended the last one"
            )
        chain.append(Layer(names[0], "", case))
        chain += [
            Layer(name, removes[name], case, over)
            for over, name in zip(names, names[1:], strict=False)
        ]
    return chain


def parts_of(chain: Sequence[Layer]) -> list[list[Layer]]:
    """Return the chain cut where the case changes."""
    parts: list[list[Layer]] = []
    for layer in chain:
        if layer.over is None:
            parts.append([])
        parts[-1].append(layer)
    return parts


def split_sentence(part: Sequence[Layer]) -> Sentence:
    """Say what each layer of one case costs, and what they come to together.

    The whole is the measured ratio of the last kernel to the first, with an interval of
    its own. The factors multiply to it, up to what medians allow.

    Parameters
    ----------
    part : sequence of Layer
        A start and the steps after it, all of one case.
    """
    start, *steps = part
    case, last = start.case, part[-1].kernel
    if not case.stable:
        return speedup_sentence(case, last, start.kernel)
    factors = listed(f"{layer.removes} {times(layer.factor)}{_remark(layer)}" for layer in steps)
    whole = case.speedup(last, start.kernel)
    return Sentence(
        f"From {code(start.kernel)} to {code(last)} at {case.label}: {factors}. "
        f"{_together(whole, case)}"
    )


def _remark(layer: Layer) -> str:
    """What must be added to a factor that is no gain."""
    return {"faster": "", "slower": ", a loss"}.get(layer.verdict, f", {layer.verdict}")


def _together(whole: Interval, case: CaseView) -> str:
    word = noise.verdict(whole, case.resolution, case.stable)
    if word == "not resolved":
        return (
            f"Together they come to {times(whole)}, which does not clear the noise floor of "
            f"{floor_text(case)}."
        )
    return f"Together that is {times(whole)}{', slower than at the start' * (word == 'slower')}."


def largest_sentence(chain: Sequence[Layer]) -> Sentence:
    """Say which layer cost most, as far as that can be told."""
    found = [layer for layer in chain if layer.verdict == "faster"]
    if not found:
        return Sentence("No layer's removal is resolved as a gain in this run.")
    ranked = sorted(found, key=lambda layer: -layer.factor.value)
    first, rest = ranked[0], ranked[1:]
    equal = [layer for layer in rest if layer.factor.high >= first.factor.low]
    if equal:
        names = listed(f"{layer.removes} ({times(layer.factor)})" for layer in (first, *equal))
        return Sentence(f"The largest factors, which their intervals do not separate: {names}.")
    return Sentence(f"The most expensive layer is {first.removes}: {times(first.factor)}.")


def table(chain: Sequence[Layer], predicted: Mapping[str, float]) -> Table:
    """Return the waterfall as a table, with predictions beside what was measured.

    Parameters
    ----------
    chain : sequence of Layer
    predicted : mapping
        Factors by the layer that is removed. Layers without one get a dash.
    """
    rows = []
    for layer in chain:
        guess = predicted.get(layer.removes)
        rows.append(
            [
                layer.removes or "–",
                code(layer.kernel),
                layer.case.instrument(layer.kernel),
                count(layer.case.parameters["n"]),
                per_flop(layer.ns_per_flop.value),
                "–" if guess is None else factor(guess),
                "–" if layer.factor is None else times(layer.factor),
                layer.verdict or "start",
            ]
        )
    headers = ["Removed", "Step", "Instrument", "n", "Per FLOP"]
    headers += ["Predicted factor", "Measured factor", "Verdict"]
    return Table("One layer at a time", headers, rows)


def per_flop(time_ns: float) -> str:
    """Return a time in ns, or in ps below one."""
    if time_ns >= 1:
        return duration(time_ns)
    return duration(time_ns * 1e3).replace("ns", "ps")


def judged_sentence(chain: Sequence[Layer], predicted: Mapping[str, float]) -> Sentence:
    """Say which predicted factor was furthest off, and in which direction."""
    judged = [layer for layer in chain if layer.removes in predicted and layer.factor is not None]
    missed = [layer for layer in judged if layer.factor.excludes(predicted[layer.removes])]
    if not missed:
        return Sentence(f"All {len(judged)} predictions lie inside the measured intervals.")

    def miss(layer: Layer) -> float:
        ratio = predicted[layer.removes] / layer.factor.value
        return max(ratio, 1 / ratio)

    worst = max(missed, key=miss)
    guess = predicted[worst.removes]
    side = "more" if guess > worst.factor.value else "less"
    return Sentence(
        f"{len(judged) - len(missed)} of {len(judged)} predictions lie inside the measured "
        f"intervals. The furthest off is {worst.removes}: predicted {factor(guess)}, measured "
        f"{times(worst.factor)}. The model gives it {side} than it has, by {factor(miss(worst))}."
    )


def share_sentence(
    case: CaseView, kernels: Sequence[str], roofs: Roofs, threads: Mapping[str, int]
) -> Sentence:
    """Say at which share of the measured roof kernels run.

    Parameters
    ----------
    case : CaseView
    kernels : sequence of str
    roofs : Roofs
    threads : mapping
        Cores that a kernel uses, for those that use more than one: their roof is higher.
    """
    shares = []
    for kernel in kernels:
        used = threads.get(kernel, 1)
        share = cost.share_of_roof(case, kernel, roofs, used)
        roof = f"the roof of {used} cores" if used > 1 else "one core's roof"
        shares.append(f"{code(kernel)} {with_interval(share, percent)} of {roof}")
    return Sentence(f"At {case.label}, {listed(shares)}.")


def sums_sentence(
    short: CaseView, long: CaseView, large: CaseView, kernel: str = "ijk"
) -> Sentence:
    """Say why a kernel takes another time per FLOP on larger matrices: data, or longer sums.

    Parameters
    ----------
    short, large : CaseView
        Small matrices and large ones.
    long : CaseView
        As few rows and columns as `short`, but sums as long as those of `large`.
    kernel : str
    """
    first, middle, last = (Layer(kernel, "", case).ns_per_flop for case in (short, long, large))
    facts = (
        f"A FLOP of {code(kernel)} takes {with_interval(first, per_flop)} at {short.label}, and "
        f"{with_interval(last, per_flop)} at {large.label}. With as little data as the first, "
        f"but sums as long as in the second, it takes {with_interval(middle, per_flop)}"
    )
    shaken = [f"{case.label} ({'; '.join(case.reasons)})" for case in (short, long, large)
              if not case.stable]  # fmt: skip
    if shaken:
        return Sentence(f"{facts}. Not judged, since unstable: {listed(shaken)}.")
    if last.low <= first.high:
        return Sentence(f"{facts}. Larger matrices do not set themselves apart in this run.")
    if middle.high < last.low and middle.low <= first.high:
        return Sentence(f"{facts}: so it is the data that makes the difference.")
    if middle.low > first.high and middle.high >= last.low:
        return Sentence(
            f"{facts}: so it is the sums that make the difference. A short one ends soon, and the "
            "processor begins the next while it waits; in a long one there is nothing else to do."
        )
    if first.high < middle.low:
        return Sentence(f"{facts}: longer sums make part of the difference, the data the rest.")
    return Sentence(f"{facts}, which does not tell which of the two makes the difference.")


def percent(share: float) -> str:
    """Return a share: ``0.0123 %``."""
    return f"{number(100 * share)}{NO_BREAK}%"


def first_call_sentence(case: CaseView, kernel: str, over: str) -> Sentence:
    """Say what the first call of a compiled kernel costs, and when that is paid back.

    Parameters
    ----------
    case : CaseView
    kernel : str
        The compiled one.
    over : str
        What would be run instead.
    """
    first = case.first_call_ns(kernel)
    later, other = case.time_ns(kernel).value, case.time_ns(over).value
    dearest = max(first)
    text = (
        f"The first call of {code(kernel)} took {span(min(first), dearest, duration)} in these "
        f"processes, median {duration(median(first))}, a later one {duration(later)}: the first "
        "compiles the function, or loads what an earlier process compiled."
    )
    word = case.verdict(kernel, over)
    if word != "faster":
        end = "is never paid back" if word == "slower" else f"cannot be set off: {word}"
        return Sentence(f"{text} Against {code(over)} that {end} at {case.label}.")
    # The n-th call in all breaks even: first + (n - 1) later = n other.
    calls = max(1, -(-(dearest - later) // (other - later)))
    return Sentence(
        f"{text} The dearest of them is paid back against {code(over)} after {count(calls)} "
        f"call{'' if calls == 1 else 's'} at {case.label}."
    )


def integer_sentence(case: CaseView) -> Sentence:
    """Say whether NumPy is fast because it is compiled, by its product without BLAS.

    Parameters
    ----------
    case : CaseView
        With ``ijk_int64`` and ``numpy_int64``, loops over integers compiled by two
        compilers, and ``ijk`` and ``blas``, the same numbers as float64.
    """
    loops = case.speedup("numpy_int64", "ijk_int64")
    gap = case.speedup("blas", "numpy_int64")
    same_type = case.speedup("blas", "ijk")
    facts = (
        f"Over the same int64, NumPy's loop runs at {times(loops)} of the speed of ours; BLAS "
        f"over the same numbers as float64 at {times(gap)} that of NumPy's loop, and at "
        f"{times(same_type)} that of our loop over float64"
    )
    if not case.stable:
        return Sentence(f"{facts}. The run was unstable: {'; '.join(case.reasons)}.")
    if gap.low > max(loops.high, 1 / loops.low) and case.verdict("blas", "numpy_int64") == "faster":
        return Sentence(
            f"{facts}. Both types have 64 bits, both calls are NumPy's, and both run compiled "
            "code. So being compiled is not what makes NumPy fast: without BLAS it is "
            "a loop like any other."
        )
    return Sentence(
        f"{facts}. Here BLAS is not set apart from the compiled loops by more than these differ "
        "from each other, so this run does not tell what makes NumPy fast."
    )
