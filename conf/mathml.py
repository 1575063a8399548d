"""Formulas as MathML, written at build time.

Sphinx's own renderer sends every reader's browser to another host for MathJax;
this one needs neither script nor network. Browsers lay MathML out themselves.
"""

from __future__ import annotations

from xml.etree import ElementTree

from docutils import nodes
from latex2mathml import converter, exceptions
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

_BAD_LATEX = tuple(
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, Exception)
)

#: Elements that must have so many children; the converter leaves a missing one out.
_CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "mroot": 2, "msubsup": 3, "munderover": 3}


def to_mathml(latex: str, *, block: bool) -> str:
    r"""Return a formula as a ``<math>`` element.

    Raises
    ------
    ValueError
        If it cannot be converted, or the converter would print part of it as
        text: an unknown command, a brace too many, a missing argument.
    """
    try:
        mathml = converter.convert(latex, display="block" if block else "inline")
    except (*_BAD_LATEX, IndexError, KeyError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"cannot convert the formula {latex!r}: {reason}") from None
    if complaint := _complaint(latex, mathml):
        raise ValueError(f"cannot convert the formula {latex!r}: {complaint}")
    return mathml


def _complaint(latex: str, mathml: str) -> str | None:
    if "\\" in mathml:
        return "unknown command \\" + mathml.partition("\\")[2].partition("<")[0]
    plain = latex.replace("\\{", "").replace("\\}", "")
    if plain.count("{") != plain.count("}"):
        return "braces do not match"
    try:
        root = ElementTree.fromstring(mathml)
    except ElementTree.ParseError:
        return "it has a character, or an environment, that cannot be shown"
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if len(element) != _CHILDREN.get(name, len(element)):
            return f"an argument of {name} is missing"
    return None


def _rendered(translator, node: nodes.Element, *, block: bool) -> str:
    try:
        return to_mathml(node.astext(), block=block)
    except ValueError as error:
        logger.warning("%s", error, location=node, type="mathml")
        return f"<code>{translator.encode(node.astext())}</code>"


def visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(_rendered(translator, node, block=False))
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    translator.body.append(translator.starttag(node, "div", CLASS="math-block"))
    translator.body.append(f"{_rendered(translator, node, block=True)}{number}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
