"""Formulas: MathML in the page, and bad LaTeX a warning with its place."""

import re
from xml.etree import ElementTree

import mathml
import pytest


@pytest.mark.parametrize(
    "latex", ["2 n^3", r"\frac{2 r v}{r + v}", r"\text{operations per load}", r"a < b", r"\{x\}"]
)
@pytest.mark.parametrize("block", [False, True])
def test_a_formula_becomes_well_formed_mathml(latex, block):
    root = ElementTree.fromstring(mathml.to_mathml(latex, block=block))
    assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
    assert root.get("display") == ("block" if block else "inline")


@pytest.mark.parametrize(
    ("latex", "complaint"),
    [
        (r"\foo x", r"unknown command \\foo"),
        (r"\frac{1}", "an argument of mfrac is missing"),
        ("x^", "MissingSuperScriptOrSubscript"),
        (r"\left( x", "ExtraLeftOrMissingRight"),
        ("{x", "braces do not match"),
        ("x}", "braces do not match"),
        (r"\begin{matrix} a", "MissingEnd"),
        (r"\begin{aligned} a &= b \end{aligned}", "cannot be shown"),
    ],
)
def test_bad_latex_is_refused_with_the_reason(latex, complaint):
    with pytest.raises(ValueError, match=complaint):
        mathml.to_mathml(latex, block=False)


def test_a_page_has_mathml_and_no_script_of_another_host(book):
    book.configure("myst_parser", "mathml", more="html_math_renderer = 'mathml'\n"
                   "myst_enable_extensions = ['dollarmath']")  # fmt: skip
    book.write("book/index.md", "# Title\n\nA product costs $2 n^3$.\n\n$$x = 1$$\n")
    done = book.build()
    assert done.returncode == 0, done.stderr
    page = book.page()
    assert page.count("<math ") == 2 and 'display="block"' in page
    assert not re.search(r"<script[^>]*src=.?https?:", page)
    assert "mathjax.js" not in page and "tex-mml" not in page


def test_bad_latex_fails_the_build_and_names_file_and_line(book):
    book.configure("mathml", more="html_math_renderer = 'mathml'")
    book.write("book/index.rst", "Title\n=====\n\nText.\n\nA formula :math:`\\foo x`.\n")
    done = book.build()
    assert done.returncode != 0
    assert "index.rst:6: WARNING: cannot convert the formula" in done.stderr
