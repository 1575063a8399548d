"""Figures and sentences of the gallery are redone when anything they rest on has changed.

sphinx-gallery runs a script again only if the text of the script differs. Change
a kernel, or build on another machine, and yesterday's numbers stay on the page
without a word. This extension compares what the pages rest on, the package's
code, the machine, the libraries and the profile, with what it was at the last
build, and forgets the scripts' stamps if it differs. A script whose record is
missing, or has changed since its page was made, runs again by itself. Prose is
in neither: editing it runs nothing.

Measuring is not repeated for that: a record that is still valid is reused.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path

import figures_scraper
from sphinx.application import Sphinx
from sphinx.util import logging

from accel.timing import plan, records

logger = logging.getLogger(__name__)

_LIBRARIES = ("matplotlib", "numpy", "numba", "sphinx-gallery")


def basis() -> dict[str, str]:
    """Return what every page of the gallery rests on."""
    return {
        **plan.identity(),
        "profile": plan.profile().name,
        "results": str(records.results_folder().resolve()),
        "scraper": _digest(Path(figures_scraper.__file__)),
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
    }


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def record_digests() -> dict[str, dict[str, str | None]]:
    """Return the digests of the records that each script wrote, by script and experiment."""
    scripts: dict[str, dict[str, str | None]] = {}
    for name in records.names():
        path = records.path_of(name)
        scripts.setdefault(records.read(path).data["script"], {})[name] = _digest(path)
    return scripts


def stale_scripts(stored: dict, now: dict[str, str]) -> set[str] | None:
    """Return the scripts to run again; None for all of them.

    Parameters
    ----------
    stored : dict
        What the last build left: "basis" and "records" of each script.
    now : dict
        The present `basis`.
    """
    if stored.get("basis") != now:
        return None
    return {
        script
        for script, digests in stored["records"].items()
        if any(_digest(records.path_of(name)) != digest for name, digest in digests.items())
    }


def _memory(app: Sphinx) -> Path:
    return Path(app.srcdir, app.config.sphinx_gallery_conf["gallery_dirs"], "freshness.json")


def forget_stale(app: Sphinx) -> None:
    """Before the gallery is generated: remove the stamps of scripts that must run again."""
    memory = _memory(app)
    try:
        stored = json.loads(memory.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        stored = {}  # first build, or one that was stopped while it wrote
    stale = stale_scripts(stored, basis())
    memory.unlink(missing_ok=True)
    for stamp in memory.parent.rglob("*.py.md5"):
        script = stamp.name.removesuffix(".md5")
        if stale is None or script in stale:
            logger.debug("running again: %s", script)
            stamp.unlink()


def remember(app: Sphinx) -> None:
    """After the gallery is generated: store what its pages rest on."""
    memory = _memory(app)
    memory.parent.mkdir(parents=True, exist_ok=True)
    temporary = memory.with_suffix(".new")
    temporary.write_text(json.dumps({"basis": basis(), "records": record_digests()}, indent=1))
    os.replace(temporary, memory)


def setup(app: Sphinx) -> dict:
    # sphinx-gallery settles its configuration at 10 and generates at 500.
    app.connect("builder-inited", forget_stale, priority=400)
    app.connect("builder-inited", remember, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
