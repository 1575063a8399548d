"""Figures of a cluster: measured on a few workers, modelled for more; and all-reduce, modelled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    End,
    axes,
    durations,
    end_labels,
    headline,
    interval_bars,
    log_scale,
)
from accel.findings.cluster import (
    Link,
    Model,
    Work,
    crossover_bytes,
    ring_ns,
    series,
    size_text,
    tree_ns,
)
from accel.timing import words
from accel.timing.records import CaseView, Record

_DASHED = (0, (4, 2))

#: ``f(parameters) -> fields of Work``.
WorkOf = Callable[..., Mapping[str, float]]


def scaling_curve(
    record: Record,
    kernel: str,
    model: Model,
    work_of: WorkOf,
    workers: Sequence[int],
    *,
    alt: str,
) -> None:
    """Show the time of a call as workers and work grow together.

    Points are measured, dashed lines are the model, which goes on where nothing was measured.

    Parameters
    ----------
    record : Record
        Cases of one or more shapes, on one or more workers.
    kernel : str
    model : Model
        Fitted to it.
    work_of : callable
        Parameters of a case to the fields of `Work`.
    workers : sequence of int
        For which to show the model.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If no case has the kernel, or `alt` is empty.
    """
    shapes = _shapes(record, kernel)

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=0.75, right=0.8 if look.narrow else 1.1)
        log_scale(ax, "x", workers, look.narrow)
        color, lines, every = look.palette.of("compiled"), [], []
        for nth, cases in enumerate(shapes):
            modelled = [_modelled(cases, model, work_of, count) for count in workers]
            ax.plot(workers, modelled, color=look.palette.muted, linewidth=1.4,
                    linestyle=_DASHED, zorder=2)  # fmt: skip
            intervals = [case.time_ns(kernel) for case in cases]
            counts = [case.parameters["workers"] for case in cases]
            interval_bars(ax, counts, intervals, color=color)
            marker = look.marker("compiled", nth)
            for count, interval, case in zip(counts, intervals, cases, strict=True):
                inside = color if case.stable else look.palette.background
                ax.plot([count], [interval.value], color=color, marker=marker, zorder=4,
                        markeredgewidth=1.5, markerfacecolor=inside)  # fmt: skip
            name = _shape(cases[0]).replace("× ", "×\n" if look.narrow else "× ")
            lines.append(End(workers[-1], modelled[-1], name, look.palette.muted))
            every += [*modelled, *(end for each in intervals for end in (each.low, each.high))]
        durations(ax, every)
        what = "" if look.narrow else "time of one call: "
        headline(ax, f"{what}points measured, dashes modelled", look.palette)
        ax.set_xlabel("workers, each with as many rows")
        end_labels(ax, lines, look.palette)

    numbers = describe_scaling_curve(record, kernel, model, work_of, workers)
    present(Picture(f"{record.experiment}-scaling", alt, numbers, draw, 4.1, 4.0))


def describe_scaling_curve(
    record: Record, kernel: str, model: Model, work_of: WorkOf, workers: Sequence[int]
) -> str:
    """Return the numbers of the figure in words: what was measured, and the model's last."""
    parts = []
    for cases in _shapes(record, kernel):
        measured = words.listed(
            f"{words.duration(case.time_ns(kernel).value)} on {case.parameters['workers']}"
            for case in cases
        )
        last = words.duration(_modelled(cases, model, work_of, workers[-1]))
        parts.append(
            f"{_shape(cases[0])}: measured {measured}, modelled {last} on {workers[-1]} workers"
        )
    return f"Time by matrix and workers. {'; '.join(parts)}."


def allreduce(
    link: Link, workers: int, sizes: Sequence[float], *, name: str, alt: str
) -> None:
    """Show the cost of an all-reduce by ring and by tree against the size of the data.

    Both lines are a model: nothing here was measured.

    Parameters
    ----------
    link : Link
    workers : int
    sizes : sequence of float
        In bytes, ascending.
    name : str
        For the picture.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If there are no two sizes, or `alt` is empty.
    """
    if len(sizes) < 2 or workers < 2:
        raise FigureError(f"allreduce: expected 2 sizes and 2 workers, got {sizes} and {workers}")
    crossover = crossover_bytes(workers, link)

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.75, right=0.7)
        log_scale(ax, "x", [], look.narrow)
        ends, every = [], []
        lines = ("ring", ring_ns, palette.ink), ("tree", tree_ns, palette.muted)
        for label, cost, color in lines:
            costs = [cost(workers, size, link) for size in sizes]
            ax.plot(sizes, costs, color=color, linestyle=_DASHED, linewidth=1.8)
            ends.append(End(sizes[-1], costs[-1], label, color))
            every += costs
        durations(ax, every)
        if sizes[0] < crossover < sizes[-1]:
            _mark(ax, crossover, look)
        ax.set_xticks(*_byte_ticks(sizes))
        headline(ax, f"all-reduce on {workers} workers: a model", palette)
        ax.set_xlabel("data of each worker")
        end_labels(ax, ends, palette)

    present(Picture(name, alt, describe_allreduce(link, workers, sizes), draw, 3.6, 3.6))


def describe_allreduce(link: Link, workers: int, sizes: Sequence[float]) -> str:
    """Return the numbers of the figure in words: both ends, and where the lines cross."""
    ends = words.listed(
        f"{words.duration(ring_ns(workers, size, link))} by a ring and "
        f"{words.duration(tree_ns(workers, size, link))} by a tree for {size_text(size)}"
        for size in (sizes[0], sizes[-1])
    )
    crossover = crossover_bytes(workers, link)
    where = f"they cross at {size_text(crossover)}" if crossover else "the ring is never slower"
    return f"Modelled for {workers} workers: {ends}; {where}."


def _shapes(record: Record, kernel: str) -> list[list[CaseView]]:
    shapes = list(series(record, kernel).values())
    if not shapes:
        raise FigureError(f"{record.experiment}: no case has kernel {kernel!r}")
    return shapes


def _modelled(cases: list[CaseView], model: Model, work_of: WorkOf, workers: int) -> float:
    """The model's time for the shape of these cases, with so many workers and rows for them."""
    first = cases[0].parameters
    rows = first["m"] // first["workers"] * workers
    return model.time_ns(Work(**work_of(**{**first, "m": rows, "workers": workers})))


def _shape(case: CaseView) -> str:
    return f"{case.parameters['k']:,} × {case.parameters['n']:,}"


def _mark(ax: Axes, size: float, look: Look) -> None:
    ax.axvline(size, color=look.palette.ghost, linewidth=1.2, linestyle=":")
    ax.annotate(
        size_text(size), (size, 1), xytext=(-3, -5), ha="right", va="top", rotation=90,
        xycoords=("data", "axes fraction"), textcoords="offset points",
        size=LABEL_SIZE, color=look.palette.muted,
    )  # fmt: skip


def _byte_ticks(sizes: Sequence[float]) -> tuple[list[float], list[str]]:
    """Return powers of a thousand among the sizes, in words."""
    powers = range(math.ceil(math.log10(sizes[0])), math.floor(math.log10(sizes[-1])) + 1)
    shown = [power for power in powers if power % 3 == 0]
    return [10.0**power for power in shown], [_tick(power) for power in shown]


def _tick(power: int) -> str:
    unit = {0: "B", 1: "kB", 2: "MB", 3: "GB", 4: "TB"}[power // 3]
    return f"1{words.NO_BREAK}{unit}"
