"""A comparison as one HTML page: it loads nothing, runs nothing, and follows light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from accel.timing.comparison import Comparison, Row
from accel.timing.comparison import text as said
from accel.timing.stats import Interval
from accel.timing.words import duration, factor, printable, span

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #57606a; --page: #ffffff;
  --line: #d5dae0; --head: #f3f5f7; --faster: #0b6b3a; --slower: #a31621; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --soft: #9aa5b1;
  --page: #14181d; --line: #323a44; --head: #1d232a; --faster: #6fd79b; --slower: #ff8f8a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; color: var(--ink);
  background: var(--page); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; }
p { max-width: 46rem; margin: .4rem 0; }
.soft, caption { color: var(--soft); }
.meaning { font-weight: 600; }
.box { overflow-x: auto; margin: .8rem 0; }
.box:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0 .4rem; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { background: var(--head); white-space: nowrap; }
tbody th { font-weight: 500; }
td small { display: block; color: var(--soft); }
td small.ends, td span { white-space: nowrap; }
.faster { color: var(--faster); font-weight: 600; }
.slower { color: var(--slower); font-weight: 600; }
""".strip()

_COLUMNS = ("Kernel", "Verdict", "Relative", "Absolute", "To clear", "Old time", "New time")


def page(comparison: Comparison) -> str:
    """Return the page, whole: style inside, every text escaped."""
    body = [
        "<h1>Two runs compared</h1>",
        f'<p class="soft">Old: {escape(said.run_words(comparison.old))}<br>'
        f"New: {escape(said.run_words(comparison.new))}</p>",
        _differences(comparison),
        "<h2>Outcome</h2>",
        f"<p>{escape(said.summary(comparison))}</p>",
        _changes(comparison),
        f'<p class="soft">{escape(said.READING)}</p>',
        *(_experiment(name, cases, comparison) for name, cases in said.grouped(comparison.rows)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Two runs compared</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _differences(comparison: Comparison) -> str:
    meaning = (
        f'<h2>What differs around them</h2>\n<p class="meaning">{escape(comparison.meaning)}</p>'
    )
    if not comparison.differences:
        return meaning
    rows = [
        (each.what, each.old, each.new, said.place_words(each, comparison) or "everywhere")
        for each in comparison.differences
    ]
    body = (_line(map(_clean, row)) for row in rows)
    return f"{meaning}\n{_table('Differences', ('What', 'Old', 'New', 'Where'), body)}"


def _changes(comparison: Comparison) -> str:
    changes = [row for row in comparison.rows if row.verdict in ("faster", "slower")]
    items = (
        f'<li class="{row.verdict}">{escape(said.change_words(row))}</li>' for row in changes
    )
    return f"<ul>{''.join(items)}</ul>" if changes else ""


def _experiment(name: str, cases: Sequence[tuple[str, list[Row]]], comparison: Comparison) -> str:
    parts = [f"<h2>{_clean(said.experiment_words(name, comparison))}</h2>"]
    for case, rows in cases:
        if any(row.judged or row.kernel for row in rows):
            parts.append(_table(case or name, _COLUMNS, map(_kernel, rows)))
        else:
            parts += [_lonely(row) for row in rows]
    return "\n".join(parts)


def _lonely(row: Row) -> str:
    """Return the paragraph of an experiment or a case that has no partner."""
    place = f"{_clean(row.case)}: " if row.case else ""
    why = f" <small>{_clean(row.why)}</small>" if row.why else ""
    return f"<p>{place}{row.verdict}.{why}</p>"


def _kernel(row: Row) -> str:
    why = f"<small>{_clean(row.why)}</small>" if row.why else ""
    return _line(
        [
            f"<code>{_clean(row.kernel)}</code>",
            f'<span class="{row.verdict.split()[0]}">{row.verdict}</span>{why}',
            _interval(row.relative, factor),
            _interval(row.absolute, factor),
            said.floor_words(row.floor),
            _interval(row.old_ns, duration),
            _interval(row.new_ns, duration),
        ]
    )


def _interval(interval: Interval | None, words: Callable[[float], str]) -> str:
    if interval is None:
        return "–"
    ends = span(interval.low, interval.high, words)
    return f'{words(interval.value)}<small class="ends">{ends}</small>'


def _clean(words: str) -> str:
    return escape(printable(words))


def _line(cells: Iterable[str]) -> str:
    """Return a table row of ready HTML; its first cell is what the row is about."""
    first, *others = cells
    inner = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<tr><th scope="row">{first}</th>{inner}</tr>'


def _table(caption: str, columns: Sequence[str], body: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    lines = "\n".join(body)
    # The box scrolls sideways on a narrow screen; tabindex lets a keyboard scroll it.
    return (
        f'<div class="box" role="region" aria-label="{_clean(caption)}" tabindex="0">'
        f"<table><caption>{_clean(caption)}</caption><thead><tr>{head}</tr></thead>\n"
        f"<tbody>{lines}</tbody></table></div>"
    )
