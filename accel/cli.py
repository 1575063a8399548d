"""The `accel` command."""

from __future__ import annotations

import json
import os
import signal
import webbrowser
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from accel.bars import Bar

app = typer.Typer(
    help="Measure kernels, and build the book from what was measured.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
#: Signals that end a build as Ctrl-C does: its workers must not outlive it.
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

#: Columns of the tables of `accel bench` in a file or a pipe, where no screen sets a bound.
WIDE = 160

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@app.callback()
def accel() -> None:
    """Measure kernels, and build the book from what was measured."""


@app.command()
def build(
    profile: Annotated[
        str | None,
        typer.Option(help="quick (a draft), standard (default), or publish (most processes)."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the book when it is built.")] = False,
    remeasure: Annotated[
        bool, typer.Option(help="Measure everything again, even what has not changed.")
    ] = False,
) -> None:
    """Run the experiments and build the site in build/html.

    What has not changed since the last build is not measured again. The site of
    the last good build stays in place until the new one is finished.
    """
    from accel import build as building

    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _interrupt)
    try:
        with Bar(err) as bar:
            page = building.build(Path.cwd(), profile, remeasure, partial(_show, bar))
    except (building.BuildError, ValueError) as error:
        err.print("[red]The book was not built.[/red]")
        err.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        err.print("Stopped. The last good site is as it was.")
        raise typer.Exit(130) from None
    out.print(str(page), markup=False, soft_wrap=True)
    if open_:
        webbrowser.open(page.as_uri())


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt


def _show(bar: Bar, state) -> None:
    """Show a `accel.build.Progress`: what runs, how long it has run, how long it will."""
    pages = "building pages" if state.done_s else "reading the scripts"
    doing = f"measuring {state.running}" if state.running else pages
    bar.show(doing, state.done_s, state.total_s, state.total_s - state.done_s)


@app.command()
def machine(
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    roofs: Annotated[
        bool,
        typer.Option(
            "--roofs",
            help="Say how fast it can be: arithmetic, bandwidth and latency. Measured once.",
        ),
    ] = False,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help="Measure the roofs again; takes most of a minute.")
    ] = False,
) -> None:
    """Say what this computer is, and what about it would spoil a measurement."""
    from accel.timing import machine as facts

    here, software, load = facts.describe(), facts.software(), facts.load()
    warnings = facts.warnings(here, software, os.environ, load)
    ceilings = _roofs(remeasure) if roofs or remeasure else None
    if json_:
        fingerprint = facts.fingerprint(here, software)
        answer = {"machine": here, "software": software, "load": load, "fingerprint": fingerprint}
        if ceilings is not None:
            from accel.findings import roof_words

            answer["roofs"] = roof_words.summary(ceilings)
        print(json.dumps({**answer, "warnings": warnings}, indent=1))
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for label, value in [*facts.card(here, software), *facts.weather(load)]:
        table.add_row(f"[bold]{label}[/bold]", value)
    out.print(table)
    for warning in warnings:
        out.print(f"[yellow]Warning:[/yellow] {warning}", soft_wrap=True)
    if ceilings is not None:
        _print_roofs(ceilings)


def _roofs(remeasure: bool):
    """Return the roofs of this machine, or end with status 1 and the reason."""
    from accel.timing import roofs
    from accel.timing.experiment import MeasurementError

    try:
        return roofs.here(remeasure=remeasure, complete=True)
    except (MeasurementError, ValueError) as error:  # a RoofError or RecordError is a ValueError
        err.print("[red]The roofs of this machine are not known.[/red]")
        err.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _print_roofs(ceilings) -> None:
    from accel.findings import roof_words

    for table in (roof_words.peak_table(ceilings, every_width=False),
                  roof_words.level_table(ceilings)):  # fmt: skip
        print(f"\n{table}")
    print()
    for sentence in (
        roof_words.balance_sentence(ceilings),
        roof_words.chains_sentence(ceilings),
        roof_words.age_sentence(ceilings, datetime.now(UTC)),
    ):
        out.print(sentence, markup=False)


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(help="Folder of records, or one record's file.")],
    new: Annotated[Path, typer.Argument(help="The same, of the later run.")],
    html: Annotated[Path | None, typer.Option(help="Also write one HTML page here.")] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Also write JSON here.")] = None,
    fail_on_slower: Annotated[
        bool, typer.Option("--fail-on-slower", help="Status 1 if a kernel is slower.")
    ] = False,
) -> None:
    """Compare two runs: what differs around them, then each kernel's speed, new over old.

    Status 1 means a resolved regression, with --fail-on-slower; status 2 that the
    records cannot be used, have nothing in common, or a file cannot be written.
    """
    from accel.timing import RecordError, records
    from accel.timing import compare as compared

    try:
        comparison = compared(old, new)
        if html:
            records.write_text(html, comparison.to_html())
        if json_:
            records.write_text(json_, comparison.to_json())
    except RecordError as error:
        raise _unusable(error) from None
    out.print(comparison.to_table(min(out.width, 100)), markup=False, soft_wrap=True, end="")
    if not any(row.judged for row in comparison.rows):
        raise _unusable("nothing could be compared: no kernel is in both runs, comparable")
    if fail_on_slower and comparison.slower:
        raise typer.Exit(1)


@app.command()
def export(
    record: Annotated[Path, typer.Argument(help="A record's file.")],
    pyperf: Annotated[Path, typer.Option(help="Write pyperf JSON here.")],
) -> None:
    """Write a record in another tool's format: `python -m pyperf compare_to` reads it."""
    from accel.timing import RecordError, read, records, to_pyperf

    try:
        records.write_text(pyperf, to_pyperf(read(record)))
    except RecordError as error:
        raise _unusable(error) from None


@app.command()
def bench(
    operations: Annotated[
        list[str] | None, typer.Argument(help="Operations such as matmul; all by default.")
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Also against SciPy, numexpr, PyTorch and JAX.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(help="Threads of all competitors; 1 by default.")
    ] = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="Element type such as float32; may be repeated.")
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", help="Also write everything that was measured here.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="quick, standard (default), or publish.")
    ] = None,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help="Measure again what has not changed.")
    ] = False,
) -> None:
    """Measure each operation's best kernel against NumPy, other libraries and the roof.

    What was measured before, by the same code on the same machine, is not measured again.
    """
    from accel.bench import BenchError, measuring, planning, results, terminal
    from accel.timing import RecordError
    from accel.timing import profile as find_profile

    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _interrupt)
    try:
        tasks = planning.tasks(operations or (), dtype or (), threads)
        request = measuring.Request(tasks, find_profile(profile).name, peers, remeasure)
        if json_:
            results.check_writable(json_)
        found = terminal.run(request, err)
        if json_:
            results.write(json_, found.data)
    except (BenchError, RecordError, ValueError) as error:
        raise _unusable(error) from None
    except KeyboardInterrupt:
        err.print("Stopped. What was measured until now is kept.")
        raise typer.Exit(130) from None
    wide = out if out.is_terminal else Console(highlight=False, width=max(out.width, WIDE))
    terminal.show(found, wide)
    if not found.entries:
        raise _unusable("nothing was measured: no operation could be")


@app.command()
def calibrate(
    operations: Annotated[
        list[str] | None, typer.Argument(help="Operations such as matmul; all by default.")
    ] = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="Element type such as float32; may be repeated.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Measure again what was measured already.")
    ] = False,
) -> None:
    """Measure which backend is fastest for calls of each size, for `accel.use("auto")`.

    Takes less than three minutes, beside compiling. What is measured is kept as it comes: a
    calibration that was stopped goes on where it stood.
    """
    from accel.backend import calibrate as calibrating
    from accel.backend import calibration_screen
    from accel.backend.profile import ProfileError
    from accel.timing.clock import ClockError
    from accel.timing.rest import RestlessThreads

    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _interrupt)
    try:
        calibration_screen.run(operations or (), dtype or (), anew, err, out)
    except (calibrating.CalibrationError, ProfileError, RestlessThreads, ClockError) as error:
        raise _unusable(error) from None
    except KeyboardInterrupt:
        err.print("Stopped. What was measured until now is kept; run it again to go on.")
        raise typer.Exit(130) from None


def _unusable(error: object) -> typer.Exit:
    """Say in one line why input or output cannot be used; status 2."""
    from accel.timing.words import printable

    err.print(printable(str(error)), markup=False, soft_wrap=True)
    return typer.Exit(2)


def main() -> None:
    """Entry point of the `accel` command."""
    app()


if __name__ == "__main__":
    main()
