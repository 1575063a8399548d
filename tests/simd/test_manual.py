"""The package's docstring is its manual: its example runs, and it names every function."""

import inspect
import re
import textwrap

import numpy as np

from accel import simd


def test_the_manual_names_what_there_is_and_nothing_else():
    named = set(re.findall(r"(?<!`)`(\w+)`(?!`)", simd.__doc__)) - {"intrinsic"}
    assert named | {"Vector"} == set(simd.__all__)


def test_everything_public_has_a_docstring_that_begins_with_its_call():
    described = {name: inspect.getdoc(getattr(simd, name)) for name in simd.__all__}
    for name, text in described.items():
        assert text, name
        assert text.startswith((f"``{name}(", "Return ", "Compile ", "A kind ", "A block ")), name


def test_the_example_runs(tmp_path, monkeypatch):
    example = re.search(r"::\n\n((?:    .*\n|\n)+)", simd.__doc__)[1]
    (tmp_path / "example_of_manual.py").write_text(textwrap.dedent(example), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import example_of_manual

    x = example_of_manual.x
    out = np.empty_like(x)
    example_of_manual.elu(x, out)
    expected = np.where(x > 0, x, np.exp(x.astype("float64")) - 1)
    np.testing.assert_allclose(out, expected, rtol=0, atol=2e-7)
