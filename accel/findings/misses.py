"""Counted kernels in front of the cache model, in words: tables and sentences for a page.

Nothing here is measured: a count is exact and a model has no noise. So there are no
intervals, and two numbers differ if they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from accel.timing.cost import Cost
from accel.timing.counting import Counts, count
from accel.timing.counting.cache_model import Cache, LevelCounts, simulate
from accel.timing.report import Sentence, Table, code
from accel.timing.words import NO_BREAK, factor, listed, number, span
from accel.timing.words import count as whole

#: Shares of misses that differ by less are called alike: the forms leave out what happens
#: once per run of a loop, which is some per cent of a small matrix.
ALIKE = 0.10


@dataclass(frozen=True)
class Run:
    """One kernel, counted and sent through caches.

    Parameters
    ----------
    kernel : str
    counts : Counts
    steps : int
        Steps of its innermost loop, which misses are counted per.
    levels : list of LevelCounts
        Innermost first.
    forms : tuple of (float or None)
        Misses per step that were published, for each level; None where there is no form.
    """

    kernel: str
    counts: Counts
    steps: int
    levels: list[LevelCounts]
    forms: tuple[float | None, ...]

    def misses(self, level: int, array: str | None = None) -> float:
        """Return misses per step, of one array or of all."""
        seen = self.levels[level]
        return (seen.total_misses if array is None else seen.misses[array]) / self.steps


def run(
    kernel: str,
    function: Callable,
    arguments: Sequence[Any],
    *,
    steps: int,
    caches: Sequence[Cache],
    forms: Sequence[float | None],
) -> Run:
    """Count one call of a kernel, and send its accesses through empty caches.

    Raises
    ------
    CountError
        If it cannot be counted, or the order of its accesses is not known.
    ValueError
        If there is not one positive form, or None, for each cache, or no step.
    """
    if len(forms) != len(caches):
        raise ValueError(
            f"{kernel}: expected a form or None for each of {len(caches)} caches, got {len(forms)}"
        )
    if any(form is not None and form <= 0 for form in forms):
        raise ValueError(f"{kernel}: expected forms above 0, got {list(forms)}")
    if steps < 1:
        raise ValueError(f"{kernel}: expected at least one step to count misses per, got {steps}")
    counts = count(function, arguments)
    return Run(kernel, counts, steps, simulate(counts.trace, caches), tuple(forms))


def size(nbytes: int) -> str:
    """Return a size in the unit of caches: ``128 B``, ``2 KiB``."""
    for scale, unit in ((2**20, "MiB"), (2**10, "KiB")):
        if nbytes >= scale and nbytes % scale == 0:
            return f"{nbytes // scale}{NO_BREAK}{unit}"
    return f"{nbytes}{NO_BREAK}B"


def counts_table(runs: Sequence[Run], cost: Cost) -> Table:
    """Return what each kernel did to its arrays, above what its operation declares."""
    names = list(runs[0].counts.reads)
    written = [name for name in names if any(each.counts.writes[name] for each in runs)]
    headers = ["Kernel", *(f"Reads of `{name}`" for name in names)]
    headers += [*(f"Writes of `{name}`" for name in written), "FLOPs", "Bytes touched"]
    rows = [
        [code(each.kernel)]
        + [whole(each.counts.reads[name]) for name in names]
        + [whole(each.counts.writes[name]) for name in written]
        + [whole(each.counts.flops), whole(each.counts.unique_bytes)]
        for each in runs
    ]
    declared = ["declared", *["–"] * (len(headers) - 3)]
    rows.append([*declared, whole(cost.flops), whole(cost.compulsory_bytes)])
    return Table(f"Counted by running: {cost.name}", headers, rows)


def declared_sentence(runs: Sequence[Run], cost: Cost) -> Sentence:
    """Say whether what is declared is what happens, kernel by kernel."""
    wrong = [
        f"{code(each.kernel)} {verb} {whole(got)} {unit}, not {whole(said)}"
        for each in runs
        for verb, got, said, unit in (
            ("executes", each.counts.flops, cost.flops, "FLOPs"),
            ("touches", each.counts.unique_bytes, cost.compulsory_bytes, "bytes"),
        )
        if got != said
    ]
    if wrong:
        return Sentence(f"Declared and counted disagree: {'; '.join(wrong)}.")
    asked = sorted(each.counts.total_bytes / cost.compulsory_bytes for each in runs)
    return Sentence(
        f"{_names(runs)} execute exactly the {whole(cost.flops)} declared FLOPs and touch exactly "
        f"the {whole(cost.compulsory_bytes)} declared bytes. But they ask for each of them "
        f"{_span(asked, factor).removesuffix('×')} times on average."
    )


def misses_table(runs: Sequence[Run]) -> Table:
    """Return misses per step of the innermost loop, by level and array, beside the forms."""
    names = list(runs[0].counts.reads)
    headers = ["Kernel", "Cache", *(code(name) for name in names), "Together", "Published form"]
    rows = [
        [code(each.kernel), size(seen.cache.size_bytes)]
        + [number(each.misses(level, name)) for name in names]
        + [number(each.misses(level)), "–" if form is None else number(form)]
        for level in range(len(runs[0].levels))
        for each in runs
        for seen, form in [(each.levels[level], each.forms[level])]
    ]
    return Table("Misses per step of the innermost loop, by the model", headers, rows)


def forms_sentence(runs: Sequence[Run]) -> Sentence:
    """Say how well the model agrees with the published forms.

    Raises
    ------
    ValueError
        If no run has a form.
    """
    pairs = [
        (each.misses(level) / form - 1, each.kernel, level)
        for each in runs
        for level, form in enumerate(each.forms)
        if form is not None
    ]
    if not pairs:
        raise ValueError("none of these runs has a published form to compare with")
    worst = max(abs(off) for off, *_ in pairs)
    if worst <= ALIKE:
        return Sentence(
            f"The model agrees with {_published(len(pairs))} within {number(100 * worst)} %."
        )
    off = [
        f"{code(kernel)} in the {_ordinal(level)} level by {100 * share:+.0f} %"
        for share, kernel, level in pairs
        if abs(share) > ALIKE
    ]
    return Sentence(f"The model departs from what was published: {listed(off)}.")


def compare_sentence(runs: Sequence[Run], kernel: str, over: str) -> Sentence:
    """Say, level by level, whether one kernel misses less often than another."""
    new, old = _find(runs, kernel), _find(runs, over)
    parts = []
    for level in range(len(new.levels)):
        mine, its = new.misses(level), old.misses(level)
        if mine <= its * (1 + ALIKE) and its <= mine * (1 + ALIKE):
            word = "about as often"
        elif mine < its:
            word = f"{number(its / mine)} times less often"
        else:
            word = f"{number(mine / its)} times more often"
        parts.append(f"{word} in the {_ordinal(level)} level ({number(mine)} per step)")
    return Sentence(f"Compared with {code(over)}, {code(kernel)} misses {listed(parts)}.")


def traffic_sentence(runs: Sequence[Run], cost: Cost) -> Sentence:
    """Say how often each compulsory byte crosses the border to memory."""
    times = [each.levels[-1].traffic_bytes / cost.compulsory_bytes for each in runs]
    each_of = [f"{number(t)} times by {code(r.kernel)}" for t, r in zip(times, runs, strict=True)]
    return Sentence(
        "Fetched and written back, every compulsory byte crosses the border between the last "
        f"cache and memory {listed(each_of)}."
    )


def _find(runs: Sequence[Run], kernel: str) -> Run:
    for each in runs:
        if each.kernel == kernel:
            return each
    raise KeyError(f"no kernel {kernel!r}; there are {', '.join(each.kernel for each in runs)}")


def _names(runs: Sequence[Run]) -> str:
    return listed(code(each.kernel) for each in runs)


def _ordinal(level: int) -> str:
    return ("first", "second", "third")[level] if level < 3 else f"{level + 1}th"


def _published(forms: int) -> str:
    return "the published form" if forms == 1 else f"all {forms} published forms"


def _span(values: Sequence[float], word: Callable[[float], str]) -> str:
    low, high = values[0], values[-1]
    return word(low) if word(low) == word(high) else span(low, high, word)
