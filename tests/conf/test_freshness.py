"""What makes a gallery script run again, and what does not."""

import json
import os
import shutil

import freshness
import pytest
import synthetic
from building import ROOT

from accel.timing import records

SCRIPT = '''"""
{title}
========

Text.
"""

# %%
# Cell.

from pathlib import Path

import synthetic
from accel.timing import records

runs = Path({log!r})
runs.write_text((runs.read_text() if runs.exists() else "") + {title!r} + "\\n")
data = {{**synthetic.noise({experiment!r}), "script": {script!r}}}
if {experiment!r} not in records.names():
    records.write(data)
'''

SETTINGS = """
exclude_patterns = ["gallery/**/*.ipynb", "gallery/**/*.py", "gallery/**.ipynb"]
sphinx_gallery_conf = {
    "examples_dirs": "../scripts", "gallery_dirs": "gallery", "filename_pattern": "plot_",
    "write_computation_times": False, "download_all_examples": False, "reset_modules": (),
    "image_scrapers": (), "show_signature": False, "abort_on_example_error": True,
}
"""


class Gallery:
    """A book of one page and two scripts that note down when they run."""

    def __init__(self, book):
        self.book, self.log = book, book.folder / "runs.txt"
        accel = book.folder / "code" / "accel"
        shutil.copytree(ROOT / "accel", accel, ignore=shutil.ignore_patterns("__pycache__"))
        self.kernel = accel / "kernels" / "planted.py"
        book.environ["PYTHONPATH"] = os.pathsep.join([str(accel.parent), str(synthetic.FOLDER)])
        book.configure("sphinx_gallery.gen_gallery", "freshness", more=SETTINGS)
        book.write("book/index.rst", "Title\n=====\n\n.. toctree::\n\n   gallery/index\n")
        book.write("scripts/GALLERY_HEADER.rst", "Gallery\n=======\n")
        for letter in "ab":
            script = f"plot_{letter}.py"
            text = SCRIPT.format(title=f"Script {letter}", log=str(self.log), script=script,
                                 experiment=f"page.{letter}")  # fmt: skip
            book.write(f"scripts/{script}", text)

    def runs(self):
        """Build, and return which scripts ran."""
        self.log.unlink(missing_ok=True)
        done = self.book.build()
        assert done.returncode == 0, done.stderr
        ran = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.removeprefix("Script ") for line in ran]


@pytest.fixture
def gallery(book):
    return Gallery(book)


def test_scripts_run_again_for_code_profile_and_records_and_not_for_prose(gallery, results):
    assert gallery.runs() == ["a", "b"]
    assert gallery.runs() == []

    gallery.book.write(
        "book/index.rst", "Other title\n===========\n\n.. toctree::\n\n   gallery/index\n"
    )
    assert gallery.runs() == []

    with gallery.kernel.open("a") as file:
        file.write("\n# an edited kernel\n")
    assert gallery.runs() == ["a", "b"]
    assert gallery.runs() == []

    records.path_of("page.b").unlink()
    assert gallery.runs() == ["b"]
    assert gallery.runs() == []

    records.write({**synthetic.noise("page.a", elapsed_s=1.0), "script": "plot_a.py"})
    assert gallery.runs() == ["a"]

    gallery.book.environ["ACCEL_PROFILE"] = "standard"
    assert gallery.runs() == ["a", "b"]
    assert gallery.runs() == []


def test_a_build_that_fails_leaves_nothing_that_passes_for_fresh(gallery):
    assert gallery.runs() == ["a", "b"]
    script = gallery.book.folder / "scripts" / "plot_b.py"
    good = script.read_text()
    script.write_text(good + "\nraise RuntimeError('broken kernel')\n")
    assert gallery.book.build().returncode != 0
    script.write_text(good)
    assert set(gallery.runs()) == {"a", "b"}


STORED = {"basis": {"accel": "1"}, "records": {"plot_a.py": {}, "plot_b.py": {}}}


@pytest.mark.parametrize("stored", [{}, {**STORED, "basis": {"accel": "0"}}])
def test_everything_is_stale_if_the_basis_is_unknown_or_another(stored):
    assert freshness.stale_scripts(stored, {"accel": "1"}) is None


def test_only_scripts_whose_record_differs_are_stale(results):
    for name, script in (("page.a", "plot_a.py"), ("page.b", "plot_b.py")):
        records.write({**synthetic.noise(name), "script": script})
    stored = {"basis": {}, "records": freshness.record_digests()}
    assert freshness.stale_scripts(stored, {}) == set()
    records.write({**synthetic.noise("page.b", elapsed_s=1.0), "script": "plot_b.py"})
    assert freshness.stale_scripts(stored, {}) == {"plot_b.py"}
    records.path_of("page.a").unlink()
    assert freshness.stale_scripts(stored, {}) == {"plot_a.py", "plot_b.py"}


def test_the_basis_names_code_machine_libraries_and_profile(monkeypatch):
    monkeypatch.setenv("ACCEL_PROFILE", "quick")
    basis = freshness.basis()
    assert {"accel", "fingerprint", "profile", "libraries", "scraper"} <= set(basis)
    assert basis["profile"] == "quick" and "matplotlib" in basis["libraries"]
    assert json.loads(json.dumps(basis)) == basis
