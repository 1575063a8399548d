"""The book's own configuration: no other host, constraints that cover what is needed."""

import math
import re
import runpy
import sys
import tomllib
from importlib import import_module

import pytest
from building import CONF, ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from accel.findings import claims

SHIPPED = [path for path in CONF.rglob("*") if path.suffix in (".css", ".html", ".js", ".svg")]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_styles_and_templates_ask_no_other_host(path):
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z]+\.", text)


def pins():
    lines = (CONF / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in wanted}


def test_every_constraint_is_one_exact_version():
    found = pins()
    assert all(re.fullmatch(r"[\w.!+]+", version) for version in found.values())
    assert "accel-book" not in found


def test_the_constraints_cover_what_the_project_asks_for_and_satisfy_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    found = pins()
    for text in asked:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name != "accel-book":
            assert requirement.specifier.contains(found[name]), text


def test_every_claim_has_a_heading_with_its_anchor_and_its_evidence_on_the_ledger():
    page = (ROOT / "book" / "claims.md").read_text(encoding="utf-8")
    for name in claims.read_claims(ROOT / "book" / "claims.toml"):
        assert f"(claim-{name})=" in page
        assert f'claims.evidence("{name}")' in page


def test_quotes_of_the_source_contain_the_range_they_are_judged_by():
    for claim in claims.read_claims(ROOT / "book" / "claims.toml").values():
        about_kib = (claim.low + claim.high) / 2 / 1024
        written = {
            "Speed-up": (
                f"more than {claim.low:g}x"
                if math.isinf(claim.high)
                else f"{claim.low:g}-{claim.high:g}x"
            ),
            "Time of an access": f" {claim.low:g}-{claim.high:g} cycles",
            "Size": f"~{about_kib / 1024:g}MB" if about_kib >= 1024 else f"~{about_kib:g}KB",
        }
        assert written[claim.quantity.header] in claim.quote


@pytest.mark.parametrize("path", sorted((ROOT / "book").rglob("*.md")), ids=lambda path: path.stem)
def test_prose_types_no_measured_number(path):
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"\{(measured|claim|machine)\}`[^`]*`", "", text)
    assert not re.search(r"\d+(\.\d+)?\s?(×|GFLOP|GB/s|times faster|times slower|% of)", text)


def test_hooks_that_the_configuration_names_exist():
    settings = runpy.run_path(str(CONF / "conf.py"))["sphinx_gallery_conf"]
    for name in (*settings["image_scrapers"], *settings["reset_modules"]):
        module, _, function = name.rpartition(".")
        assert callable(getattr(import_module(module), function))


def test_every_extension_says_why_it_exists():
    for path in CONF.glob("*.py"):
        head = path.read_text(encoding="utf-8")
        assert head.startswith('"""') and len(head.split('"""')[1]) > 80, path.name


NOTEBOOK = """---
file_format: mystnb
kernelspec: {{name: python3}}
---

# Title

```{{code-cell}} python
:tags: [remove-input]
import sys
{cell}
```
"""


@pytest.fixture
def notebook(book):
    """A book with the notebook settings of ours, on a computer that is new to Jupyter."""
    settings = runpy.run_path(str(CONF / "conf.py"))
    ours = [f"{name} = {value!r}" for name, value in settings.items() if name.startswith("nb_")]
    book.configure("myst_nb", more="\n".join(ours))
    home = book.folder / "home"
    home.mkdir()
    book.environ |= {"HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
    return book


def test_cells_run_in_the_interpreter_that_builds_the_book(notebook):
    notebook.write("book/index.md", NOTEBOOK.format(cell="print(sys.executable)"))
    done = notebook.build()
    assert done.returncode == 0, done.stderr
    assert sys.executable in notebook.page()
    assert "cdn" not in notebook.page() and "require.js" not in notebook.page()


def test_a_cell_that_fails_fails_the_build_and_says_why(notebook):
    notebook.write("book/index.md", NOTEBOOK.format(cell="raise ValueError('no such claim')"))
    done = notebook.build()
    assert done.returncode != 0
    assert "index.md: WARNING: Executing notebook failed" in done.stderr
    assert "no such claim" in done.stderr
