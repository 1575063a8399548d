"""Every page says on which machine and when its numbers were measured, and whether it is a draft.

A number without its machine is an anecdote. The stamp is made from the records,
so a page that is not written again would keep an old one: when it changes, all
pages are written again, which measures and runs nothing.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from accel.timing import provenance, words
from accel.timing.records import Record

DRAFT = "<strong>Draft.</strong> Measured with the quick profile: few and short samples."


def stamp(found: list[Record]) -> str:
    """Return machine, libraries, dates and profile of some records in one line."""
    if not found:
        return "Nothing measured yet."
    machines = dict.fromkeys(
        f"{record.machine['model'] or 'unnamed processor'} "
        f"({record.machine['logical_cores'] or 'unknown number of'} logical CPUs)"
        for record in found
    )
    days = sorted({record.created[:10] for record in found})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    software = provenance.newest(found).software
    profiles = sorted({record.profile for record in found})
    return (
        f"Measured on {words.listed(machines)}, {when}, {words.listed(profiles)} profile. "
        f"Python {software['python']}, NumPy {software['numpy']}, Numba {software['numba']}."
    )


def is_draft(found: list[Record]) -> bool:
    """Return whether a number on these pages comes from the quick profile."""
    return any(record.profile == "quick" for record in found)


def rewrite_if_changed(app: Sphinx, env: BuildEnvironment) -> set[str]:
    """Return all pages if the stamp is not that of the last build."""
    found = provenance.records_of_last_build()
    now = (stamp(found), is_draft(found))
    if getattr(env, "accel_stamp", None) == now:
        return set()
    env.accel_stamp = now
    return set(env.found_docs)


def add_stamp(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Hand the stamp to the templates."""
    text, draft = app.env.accel_stamp
    context["stamp"] = text
    context["theme_announcement"] = DRAFT if draft else ""


def setup(app: Sphinx) -> dict:
    app.connect("env-updated", rewrite_if_changed)
    app.connect("html-page-context", add_stamp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
