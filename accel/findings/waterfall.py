"""A waterfall: the time of one FLOP, falling as one layer after another is taken away.

Each factor is measured between neighbours of one case, in the same rounds of the same
processes. Where the chain goes on at another size it goes on with the same kernel, and
what changes there is no gain of anybody's: it has no factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accel.timing import noise
from accel.timing.records import CaseView, describe_parameters
from accel.timing.report import Sentence, Table, code, floor_text, speedup_sentence, times
from accel.timing.stats import Interval
from accel.timing.words import duration, factor, listed


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
    whole = _together(case.speedup(last, start.kernel), case) if len(steps) > 1 else ""
    text = f"From {code(start.kernel)} to {code(last)} at {case.label}: {factors}. {whole}"
    return Sentence(text.rstrip())


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
                size_of(layer.case),
                per_flop(layer.ns_per_flop.value),
                "–" if guess is None else factor(guess),
                "–" if layer.factor is None else times(layer.factor),
                layer.verdict or "start",
            ]
        )
    headers = ["Removed", "Step", "Instrument", "Size", "Per FLOP"]
    headers += ["Predicted factor", "Measured factor", "Verdict"]
    return Table("One layer at a time", headers, rows)


def size_of(case: CaseView) -> str:
    """Return the parameters of a case that are numbers: ``m=48, n=512``."""
    numbers = {key: value for key, value in case.parameters.items() if isinstance(value, int)}
    return describe_parameters(numbers)


def per_flop(time_ns: float) -> str:
    """Return a time in ns, or in ps below one."""
    if time_ns >= 1:
        return duration(time_ns)
    return duration(time_ns * 1e3).replace("ns", "ps")


def judged_sentence(chain: Sequence[Layer], predicted: Mapping[str, float]) -> Sentence:
    """Say which predicted factor was furthest off, and in which direction.

    Only where the run was stable, and only layers that have a prediction.
    """
    judged = [
        layer
        for layer in chain
        if layer.removes in predicted and layer.verdict not in (None, "unstable")
    ]
    if not judged:
        return Sentence("No prediction can be judged by this run.")
    missed = [layer for layer in judged if layer.factor.excludes(predicted[layer.removes])]
    if not missed:
        return Sentence(
            f"Predictions inside the measured intervals: {len(judged)} of {len(judged)}."
        )

    def miss(layer: Layer) -> float:
        ratio = predicted[layer.removes] / layer.factor.value
        return max(ratio, 1 / ratio)

    worst = max(missed, key=miss)
    guess = predicted[worst.removes]
    side = "more" if guess > worst.factor.value else "less"
    return Sentence(
        f"Predictions inside the measured intervals: {len(judged) - len(missed)} of "
        f"{len(judged)}. The furthest off is {worst.removes}: predicted {factor(guess)}, measured "
        f"{times(worst.factor)}. The model gives it {side} than it has, by {factor(miss(worst))}."
    )
