"""Pictures on pages: four files, words, sizes; a figure without words stops the build."""

import re

import pytest
import synthetic

from accel.timing import records

SETTINGS = """
exclude_patterns = ["gallery/**/*.ipynb", "gallery/**/*.py", "gallery/**.ipynb"]
sphinx_gallery_conf = {
    "examples_dirs": "../scripts", "gallery_dirs": "gallery", "filename_pattern": "plot_",
    "write_computation_times": False, "download_all_examples": False,
    "image_scrapers": ("figures_scraper.scrape",), "reset_modules": ("resets.reset",),
    "reset_modules_order": "both", "show_signature": False, "abort_on_example_error": True,
}
"""

SCRIPT = '''"""
A script
========

Text.
"""

# %%
# Cell.

import synthetic
from accel import figures
from accel.timing.records import Record

figures.sweep(Record(synthetic.sweep()), prefix="blocked_", alt="{alt}")
figures.sweep(Record(synthetic.sweep()), prefix="blocked_", alt="Another.")
'''


@pytest.fixture
def gallery(book):
    book.environ["PYTHONPATH"] = str(synthetic.FOLDER)
    book.configure("sphinx_gallery.gen_gallery", "pictures", more=SETTINGS)
    book.write("book/index.rst", "Title\n=====\n\n.. toctree::\n\n   gallery/index\n")
    book.write("scripts/GALLERY_HEADER.rst", "Gallery\n=======\n")
    return book


def test_a_script_shows_each_picture_light_and_dark_wide_and_narrow(gallery):
    gallery.write("scripts/plot_x.py", SCRIPT.format(alt='A \\"quoted\\" valley | of *times*.'))
    done = gallery.build()
    assert done.returncode == 0, done.stderr
    page = gallery.page("gallery/plot_x")
    assert (
        page.count('<picture class="only-light">') == page.count('<picture class="only-dark">') == 2
    )
    images = re.findall(r'<img class="only-(\w+)" src="\.\./_images/([^"]+)" alt="([^"]+)" '
                        r'width="(\d+)" height="(\d+)"', page)  # fmt: skip
    assert [(palette, name) for palette, name, *_ in images] == [
        ("light", "sphx_glr_plot_x_001.svg"), ("dark", "sphx_glr_plot_x_001_dark.svg"),
        ("light", "sphx_glr_plot_x_002.svg"), ("dark", "sphx_glr_plot_x_002_dark.svg"),
    ]  # fmt: skip
    assert images[0][2].startswith("A &quot;quoted&quot; valley | of *times*. Fastest block size")
    assert images[0][3] == "672"
    assert re.search(r'<source media="\(max-width: 640px\)" srcset="[^"]*_dark_narrow.svg"', page)
    files = gallery.folder / "html" / "_images"
    for source in re.findall(r'(?:src|srcset)="\.\./_images/([^"]+)"', page):
        assert (files / source).is_file()


def test_the_first_picture_is_the_thumbnail(gallery):
    gallery.write("scripts/plot_x.py", SCRIPT.format(alt="A valley."))
    assert gallery.build().returncode == 0
    assert (gallery.folder / "book/gallery/images/thumb/sphx_glr_plot_x_thumb.svg").is_file()


def test_a_figure_without_words_stops_the_build_and_is_named_with_its_script(gallery):
    gallery.write("scripts/plot_x.py", SCRIPT.format(alt=""))
    done = gallery.build()
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "plot_x.py" in told
    assert "figure block_it.sweep-sweep has no alt text" in told


@pytest.fixture
def prose(book):
    book.configure("myst_parser", "pictures")
    records.write(synthetic.ladder())
    return book


def drawn(arguments, **options):
    lines = "".join(f":{name}: {value}\n" for name, value in options.items())
    return f"# Title\n\n```{{drawn}} {arguments}\n{lines}```\n"


def test_a_page_of_prose_draws_a_figure_from_a_record(prose):
    prose.write(
        "book/index.md", drawn("rungs block_it.ladder", current="blocked", alt="The ladder.")
    )
    done = prose.build()
    assert done.returncode == 0, done.stderr
    assert 'alt="The ladder. GFLOP/s of each step' in prose.page()
    assert (prose.folder / "html/_images/index-0_dark_narrow.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "options", "complaint"),
    [
        ("rungs block_it.ladder", {}, "has no alt text"),
        ("pie block_it.ladder", {"alt": "x"}, "no figure 'pie'; there are ladder, rungs"),
        ("rungs nothing.here", {"alt": "x"}, "no record of experiment 'nothing.here'"),
        ("rungs block_it.ladder", {"alt": "x", "current": "gpu"}, "'gpu' is not among lists"),
        ("rungs block_it.ladder", {"alt": "x", "prefix": "y"}, "prefix"),
    ],
)
def test_a_figure_that_cannot_be_drawn_fails_the_build_with_its_place(
    prose, arguments, options, complaint
):
    prose.write("book/index.md", drawn(arguments, **options))
    done = prose.build()
    assert done.returncode != 0
    assert re.search(rf"index\.md:3: .*{re.escape(complaint)}", done.stderr)
