"""Less weight: the theme without its icon script, which alone is larger than a page may be.

The theme draws a handful of icons with a script of 1.5 MB, but its style sheet
has the same icons as a font of a tenth of that. The template
``static/webpack-macros.html`` beside this file loads the rest and leaves the
script out; here its file and the source maps, which only the theme's authors
need, leave the site.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

_UNUSED = ("scripts/fontawesome.js*", "scripts/*.map", "styles/*.map", "webpack-macros.html",
           "scripts/*.LICENSE.txt", "vendor/fontawesome/webfonts/fa-brands-400.woff2")  # fmt: skip


def remove_unused(app: Sphinx, error: Exception | None) -> None:
    """Remove files that no page loads."""
    static = Path(app.outdir, "_static")
    if error is None:
        for pattern in _UNUSED:
            for path in static.glob(pattern):
                path.unlink()


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", remove_unused)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
