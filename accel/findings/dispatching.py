"""What choosing gains and costs: calls that backends took turns at, judged case by case.

The *oracle* of a call is the fastest of the backends that were fixed for it, found by having
measured them all. Its name is known only afterwards, and picking the least of several medians
flatters it a little, so that whoever is held against it is judged strictly. *Regret* is a time
over the oracle's: 1 is as good as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from accel.timing import words
from accel.timing.paired import process_log_ratios
from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, code, times
from accel.timing.stats import Interval, exponential, median_interval

#: Goals that are held against the record: regret in the mean and at worst, for calls longer
#: than this, and what a choice may lose to NumPy.
GOAL_MEAN, GOAL_WORST, LONG_NS, GOAL_NUMPY = 1.03, 1.25, 10_000, 1.05


def of_operation(record: Record, operation: str) -> Record:
    """Return a record with the cases of one operation only."""
    cases = [case for case in record.data["cases"] if case["operation"] == operation]
    return Record({**record.data, "cases": cases})


def operations(record: Record) -> list[str]:
    """Return the operations of a record, in its order."""
    return list(dict.fromkeys(case.operation for case in record.cases))


def oracle(case: CaseView, backends: Sequence[str]) -> str:
    """Return which of the backends is the fastest, by ratios to the baseline round by round."""
    return max(backends, key=lambda name: case.speedup(name).value)


def regret(case: CaseView, kernel: str, backends: Sequence[str]) -> Interval:
    """Return the time of `kernel` over that of the fastest of the backends."""
    best = oracle(case, backends)
    return Interval(1, 1, 1, 1) if kernel == best else case.speedup(best, kernel)


def winners(case: CaseView, backends: Sequence[str]) -> list[str]:
    """Return the fastest backend, and those that it cannot be told apart from."""
    best = oracle(case, backends)
    others = [each for each in backends if each != best]
    return [best, *(each for each in others if case.verdict(best, each) != "faster")]


def loses(case: CaseView, kernel: str, backends: Sequence[str]) -> bool:
    """Tell whether `kernel` is resolved to be slower than the oracle."""
    best = oracle(case, backends)
    return kernel != best and case.verdict(best, kernel) == "faster"


def place(case: CaseView) -> str:
    """Return which call a case is, in words: ``gelu at n = 4,096``."""
    sizes = [
        f"{key} = {words.count(value) if isinstance(value, int) else value}"
        for key, value in case.parameters.items()
        if key != "dtype"
    ]
    return f"{case.operation.replace('_', ' ')} at {', '.join(map(words.unbroken, sizes))}"


def map_sentence(record: Record, backends: Sequence[str]) -> Sentence:
    """Say for which operations one backend would do at every size, and for which none."""
    alone: dict[str, list[str]] = {}
    none = []
    for name in operations(record):
        cases = [case for case in of_operation(record, name).cases if case.stable]
        if not cases:
            continue
        fit = [each for each in backends if all(each in winners(case, backends) for case in cases)]
        if fit:
            alone.setdefault(fit[0], []).append(code(name))
        else:
            none.append(code(name))
    if not alone and not none:
        return Sentence(f"No cell can be judged: {_why_not(record)}.")
    parts = []
    if none:
        parts.append(f"No backend is among the fastest at every size of {words.listed(none)}.")
    if alone:
        told = "; ".join(f"{code(best)} for {words.listed(some)}" for best, some in alone.items())
        parts.append(f"One would do at every size measured: {told}.")
    return Sentence(" ".join(parts))


# ---------------------------------------------------------------------------
# Regret
# ---------------------------------------------------------------------------

#: Which kernel somebody chose for a case.
Chooser = Callable[[CaseView], str]


@dataclass(frozen=True)
class Account:
    """What the choices of somebody cost over all cases that are stable.

    Parameters
    ----------
    logs : tuple of float
        Of each process the mean logarithm of the regrets.
    worst : Interval
        The largest regret, and where it was.
    at : str
    losses, cases : int
        Cases in which the choice is resolved to be slower than the oracle, and all.
    """

    logs: tuple[float, ...]
    worst: Interval
    at: str
    losses: int
    cases: int

    @property
    def mean(self) -> Interval:
        """Geometric mean of the regrets: each process contributes one."""
        return exponential(median_interval(self.logs))

    def beside(self, other: Account) -> str:
        """Return "more than", "less than" or "not told apart from": this mean and another's."""
        found = median_interval([a - b for a, b in zip(self.logs, other.logs, strict=True)])
        if not found.excludes(0):
            return "not told apart from"
        return "more than" if found.value > 0 else "less than"

    def against(self, mean: float, worst: float) -> str:
        """Return "reached", "missed" or "not told apart": mean and worst against their goals."""
        if self.mean.high <= mean and self.worst.high <= worst:
            return "reached"
        if self.mean.low > mean or self.worst.low > worst:
            return "missed"
        return "not told apart from what was measured"


def account(
    record: Record, chooser: Chooser, backends: Sequence[str], least_ns: float = 0
) -> Account | None:
    """Return what somebody's choices cost, as measured; None if no case can be judged.

    Parameters
    ----------
    record : Record
    chooser : callable
        ``chooser(case) -> kernel``; the choice may be wrong, the time paid for it is that of
        the record.
    backends : sequence of str
        Among whom the oracle is found.
    least_ns : float
        Leave out cases in which the oracle takes less, in ns.
    """
    judged = [
        case
        for case in record.cases
        if case.stable and case.time_ns(oracle(case, backends)).value >= least_ns
    ]
    if not judged:
        return None
    paid = [(case, chooser(case)) for case in judged]
    worst, where = max(
        ((regret(case, taken, backends), case) for case, taken in paid),
        key=lambda each: each[0].value,
    )
    by_process = zip(*(_log_regrets(case, taken, backends) for case, taken in paid), strict=True)
    return Account(
        tuple(fmean(logs) for logs in by_process),
        worst,
        place(where),
        sum(loses(case, taken, backends) for case, taken in paid),
        len(judged),
    )


def _log_regrets(case: CaseView, kernel: str, backends: Sequence[str]) -> list[float]:
    best = oracle(case, backends)
    return process_log_ratios(case.samples(best), case.samples(kernel))


def always(kernel: str) -> Chooser:
    """Return somebody who always chooses the same."""
    return lambda case: kernel


def predicting(predict: Callable[[CaseView], Mapping[str, float]]) -> Chooser:
    """Return somebody who takes what is predicted to be the fastest.

    Parameters
    ----------
    predict : callable
        ``predict(case) -> {backend: ns}``; the first wins where they tie.
    """

    def choose(case: CaseView) -> str:
        times_ns = predict(case)
        return min(times_ns, key=times_ns.__getitem__)

    return choose


def regret_table(
    record: Record, choosers: Mapping[str, Chooser], backends: Sequence[str], caption: str
) -> Table:
    """Return what each of several ways to choose costs: mean, worst, where, how often it loses.

    Parameters
    ----------
    record : Record
    choosers : mapping
        Name to chooser; backquotes mark code.
    backends : sequence of str
        Among whom the oracle is found.
    caption : str
    """
    rows = []
    for name, chooser in choosers.items():
        found = account(record, chooser, backends)
        if found is None:
            rows.append([name, "–", "–", "–", "–"])
            continue
        rows.append(
            [
                name,
                times(found.mean),
                times(found.worst),
                found.at if found.worst.value > 1 else "–",
                f"{found.losses} of {found.cases}",
            ]
        )
    headers = ["Who chooses", "Time over the oracle's", "At worst", "There", "Resolved losses"]
    return Table(caption, headers, rows)


def regret_sentence(record: Record, kernel: str, backends: Sequence[str]) -> Sentence:
    """Say whether choosing was optimal, as the source has it, and how far it was from that."""
    found = account(record, always(kernel), backends)
    if found is None:
        return Sentence(f"{code(kernel)} is not judged: {_why_not(record)}.")
    if found.losses:
        verdict = (
            f"{code(kernel)} is not optimal: in {found.losses} of {found.cases} calls the fastest "
            "backend, called directly, is resolved to be faster."
        )
    else:
        verdict = (
            f"In none of {found.cases} calls is the fastest backend, called directly, resolved to "
            f"be faster than {code(kernel)}: as near to optimal as this record can see."
        )
    return Sentence(
        f"{verdict} Its time over the oracle's is {times(found.mean)} in the geometric "
        f"mean, and at worst {times(found.worst)}, for {found.at}. "
        f"{_long_calls(record, kernel, backends)}"
    )


def _why_not(record: Record) -> str:
    reasons = dict.fromkeys(reason for case in record.cases for reason in case.reasons)
    return f"every case is unstable, {'; '.join(reasons)}" if reasons else "there are no cases"


def _long_calls(record: Record, kernel: str, backends: Sequence[str]) -> str:
    found = account(record, always(kernel), backends, LONG_NS)
    least = words.duration(LONG_NS)
    if found is None:
        return f"No call that can be judged takes {least}."
    return (
        f"Over calls of at least {least} it is {times(found.mean)} in the mean and "
        f"{times(found.worst)} at worst: the goal of {GOAL_MEAN} and {GOAL_WORST} is "
        f"{found.against(GOAL_MEAN, GOAL_WORST)}."
    )


def fixed_sentence(record: Record, kernel: str, backends: Sequence[str]) -> Sentence:
    """Say what the best single backend costs, beside choosing for each call."""
    chosen = account(record, always(kernel), backends)
    if chosen is None:
        return Sentence(f"Fixed backends are not judged: {_why_not(record)}.")
    fixed = {name: account(record, always(name), backends) for name in backends}
    best = min(backends, key=lambda name: fixed[name].mean.value)
    return Sentence(
        f"Whoever fixes one backend does best with {code(best)}: "
        f"{words.factor(fixed[best].mean.value)} the oracle's time in the mean, "
        f"{fixed[best].beside(chosen)} the {words.factor(chosen.mean.value)} of {code(kernel)}. "
        f"At worst it costs {words.factor(fixed[best].worst.value)}, for {fixed[best].at}."
    )


def numpy_sentence(record: Record, kernel: str, over: str = "numpy") -> Sentence:
    """Say where choosing is slower than NumPy, if anywhere."""
    judged = [case for case in record.cases if case.stable]
    if not judged:
        return Sentence(f"{code(kernel)} over {code(over)} is not judged: {_why_not(record)}.")
    slower = [case for case in judged if case.verdict(kernel, over) == "slower"]
    if not slower:
        return Sentence(
            f"{code(kernel)} is resolved to be slower than {code(over)} in none of {len(judged)} "
            "calls."
        )
    listed = words.listed(
        f"{times(case.speedup(over, kernel))} for {place(case)}" for case in slower
    )
    beyond = [case for case in slower if case.speedup(over, kernel).value > GOAL_NUMPY]
    goal = f"{len(beyond)} of them more than {GOAL_NUMPY}" if beyond else f"all within {GOAL_NUMPY}"
    return Sentence(
        f"{code(kernel)} takes longer than {code(over)} in {len(slower)} of {len(judged)} calls, "
        f"{goal}: {listed}."
    )


def elsewhere_sentence(
    record: Record, here: Chooser, others: Mapping[str, Chooser], backends: Sequence[str]
) -> Sentence:
    """Say what choosing by another machine's times would cost on this one.

    Parameters
    ----------
    record : Record
        Measured on this machine.
    here : callable
        Who chooses by times of this machine.
    others : mapping
        Name to who chooses by times of another one.
    backends : sequence of str
    """
    own = account(record, here, backends)
    if own is None:
        return Sentence(f"Other calibrations are not judged: {_why_not(record)}.")
    paid = {name: account(record, chooser, backends) for name, chooser in others.items()}
    dearer = {name: found for name, found in paid.items() if found.beside(own) == "more than"}
    opening = (
        f"By this machine's times, of other sizes, the choices cost {times(own.mean)} the oracle's "
        f"time in the mean and {words.factor(own.worst.value)} at worst."
    )
    if not dearer:
        return Sentence(
            f"{opening} By none of the other machines' are they resolved to have cost more."
        )
    parts = [
        f"{name}: {words.factor(found.mean.value)} and {words.factor(found.worst.value)}"
        for name, found in dearer.items()
    ]
    rest = len(paid) - len(dearer)
    same = f" By {rest} of {len(paid)} they are not resolved to have cost more." if rest else ""
    return Sentence(f"{opening} By another's they would have cost more. {'; '.join(parts)}.{same}")
