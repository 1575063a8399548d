"""Less weight: the theme without its icon script, the site without what no reader opens.

The theme draws a handful of icons with a script that alone is larger than a
page may be, but its style sheet has the same icons as a font of a tenth of that.
The template ``static/webpack-macros.html`` beside this file loads the rest and
leaves the script out. Here its file leaves the site, with the source maps, which
only the theme's authors need, and the reports of an earlier build that failed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx

_UNUSED = (
    "scripts/fontawesome.js*", "scripts/*.map", "styles/*.map", "webpack-macros.html",
    "scripts/*.LICENSE.txt", "vendor/fontawesome/webfonts/fa-brands-400.woff2",
)  # fmt: skip


def remove_old_reports(app: Sphinx) -> None:
    """Remove what myst-nb wrote about cells that failed last time."""
    shutil.rmtree(Path(app.outdir, "reports"), ignore_errors=True)


def remove_unused(app: Sphinx, error: Exception | None) -> None:
    """Remove files of the theme that no page loads."""
    if error is None:
        static = Path(app.outdir, "_static")
        for pattern in _UNUSED:
            for path in static.glob(pattern):
                path.unlink()


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", remove_old_reports)
    app.connect("build-finished", remove_unused)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
