"""Sphinx configuration of the book.

The command line is ``accel build``; by hand, from the root of the sources:
``python -m sphinx -b html -W -n -c conf book build/work/html``. One extension
per concern stands beside this file, each saying at its head why it exists.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "Kernel optimisation, measured"
author = "the accel-book authors"
language = "en"
html_title = project

extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "freshness",
    "pictures",
    "measured",
    "mathml",
    "stamp",
    "lean",
]

# myst-nb claims .ipynb, so Sphinx would take the notebooks that sphinx-gallery
# writes for download, and run every experiment a second time in a kernel.
exclude_patterns = [
    "gallery/**.ipynb",
    "gallery/**/*.ipynb",
    "gallery/**/*.py",
    "gallery/index.rst",  # the front page lists the scripts
]
nitpicky = True
templates_path = ["_templates"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # its cache looks at the page only, never at the records
nb_execution_show_tb = True  # an error is a warning with its reason, and so fails the build
nb_execution_timeout = 60
nb_ipywidgets_js = {}  # by default two scripts of another host
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "../gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/ex_|__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "nested_sections": False,
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_",),
    "image_scrapers": ("figures_scraper.scrape",),
    "reset_modules": ("resets.reset",),
    "reset_modules_order": "both",
    "remove_config_comments": True,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": float("inf"),  # records are reused: it would say nothing
    "write_computation_times": False,
    "download_all_examples": False,
    "inspect_global_variables": False,
    "css": (),
}

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_domain_indices = False
html_use_index = False
html_sidebars = {"**": ["book-toc.html"]}
html_theme_options = {
    "logo": {"text": "Kernels, measured"},  # short enough for a telephone
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "primary_sidebar_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "article_header_start": [],
    "footer_start": ["stamp.html"],
    "footer_end": [],
    "back_to_top_button": False,
    "search_bar_text": "Search the book",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
