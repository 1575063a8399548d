"""Pictures on pages: light and dark, wide and narrow, with words, and with their size known.

``picture`` shows four files that `figures_scraper` has written for a script.
``drawn`` draws a figure from a record for a page of prose:

.. code-block:: text

    ```{drawn} rungs block_it.ladder
    :current: tiled
    :alt: The ladder from lists to BLAS, one row per step.
    ```

The browser picks the file by palette and by the width of the window, and knows
its size beforehand, so that no text jumps when it arrives.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from accel import figures
from accel.figures import look
from accel.timing import records

#: Below this width of the window the narrow pictures are shown, in CSS pixels.
NARROW_BELOW = 640

#: Figures that ``drawn`` can draw: those of a single record.
DRAWN = ("ladder", "rungs", "speedup_curve", "sweep", "noise", "warmup")


class picture(nodes.General, nodes.Element):  # named like docutils' own nodes
    """One palette of a picture; its children are the files."""


class picture_file(nodes.image):
    """One file of it. An image node, so that Sphinx copies the file."""


def picture_node(uri: str, alt: str, wide: Sequence[int], narrow: Sequence[int]) -> nodes.Node:
    """Return the node of a picture whose files begin with `uri`, with sizes in CSS pixels."""
    figure = nodes.container(classes=["measured-figure"])
    for palette, dark in (("light", ""), ("dark", "_dark")):
        one = picture(classes=[f"only-{palette}"])
        one += picture_file(uri=f"{uri}{dark}_narrow.svg", alt=alt, pixels=narrow, narrow=True)
        one += picture_file(uri=f"{uri}{dark}.svg", alt=alt, pixels=wide, narrow=False)
        figure += one
    return figure


def _pixels(argument: str) -> tuple[int, int]:
    width, height = argument.split()
    return int(width), int(height)


class PictureDirective(SphinxDirective):
    """The RST that `figures_scraper` writes."""

    required_arguments = 1
    option_spec: ClassVar = {
        "alt": directives.unchanged_required,
        "wide": _pixels,
        "narrow": _pixels,
    }

    def run(self) -> list[nodes.Node]:
        if not self.options.get("alt"):
            raise self.error("a picture needs :alt:, what it shows in words")
        return [picture_node(self.arguments[0], **self.options)]


def _numbers(argument: str) -> tuple[float, ...]:
    return tuple(float(number) for number in argument.split())


class DrawnDirective(SphinxDirective):
    """A figure of `accel.figures`, drawn from a record while the page is read."""

    required_arguments = 2
    option_spec: ClassVar = {
        "alt": directives.unchanged_required,
        "steps": str.split,
        "kernels": str.split,
        "current": directives.unchanged,
        "over": directives.unchanged,
        "prefix": directives.unchanged,
        "band": _numbers,
    }

    def run(self) -> list[nodes.Node]:
        kind, experiment = self.arguments
        if kind not in DRAWN:
            raise self.error(f"no figure {kind!r}; there are {', '.join(DRAWN)}")
        self.env.note_dependency(records.path_of(experiment).resolve())
        try:
            getattr(figures, kind)(records.load(experiment), **{"alt": "", **self.options})
        except (figures.FigureError, records.RecordError, TypeError) as error:
            raise self.error(f"{kind} of {experiment}: {error}") from None
        (drawn,) = look.take()
        number = self.env.new_serialno("drawn")
        place = f"gallery/drawn/{self.env.docname.replace('/', '-')}-{number}"
        stem = Path(self.env.srcdir, place)
        stem.parent.mkdir(parents=True, exist_ok=True)
        wide, narrow = look.write_variants(drawn, stem)[:2]
        return [
            picture_node(
                f"/{place}", drawn.words, (wide.width, wide.height), (narrow.width, narrow.height)
            )
        ]


def visit_picture(translator, node: picture) -> None:
    translator.body.append(f'<picture class="{node["classes"][0]}">')


def depart_picture(translator, node: picture) -> None:
    translator.body.append("</picture>\n")


def visit_file(translator, node: picture_file) -> None:
    builder = translator.builder
    url = posixpath.join(builder.imgpath, quote(builder.images[node["uri"]]))
    width, height = node["pixels"]
    size = f'width="{width}" height="{height}"'
    if node["narrow"]:
        media = f"(max-width: {NARROW_BELOW}px)"
        translator.body.append(f'<source media="{media}" srcset="{url}" {size}>')
    else:
        alt, css = translator.attval(node["alt"]), node.parent["classes"][0]
        translator.body.append(
            f'<img class="{css}" src="{url}" alt="{alt}" {size} loading="lazy" decoding="async">'
        )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    look.collect()
    app.add_directive("picture", PictureDirective)
    app.add_directive("drawn", DrawnDirective)
    app.add_node(picture, html=(visit_picture, depart_picture))
    app.add_node(picture_file, html=(visit_file, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
