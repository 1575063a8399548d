"""Every gallery script keeps the spine of the course, and its time budgets."""

import ast
from pathlib import Path

import pytest

from accel.build import budgets_of
from accel.timing.plan import PROFILES

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "gallery").glob("*/plot_*.py"))

#: Time that all experiments of one page may take, in s, and of the whole book so far.
PAGE_BUDGET_S = {"quick": 45, "standard": 270, "publish": 900}
BOOK_BUDGET_S = {"quick": 305, "standard": 1525, "publish": 4575}

#: First halves of the names of a page's experiments.
PREFIX = {
    "01": {"roofs"},
    "02": {"time_it"},
    "02b": {"trust"},
    "03": {"count_it"},
    "04": {"loops"},
    "05": {"mountain"},
    "06": {"algorithm"},
    "07": {"vectorise"},
    "08": {"block_it"},
    "09": {"registers"},
    "09b": {"limit"},
    "10": {"layout"},
    "11": {"in_place"},
    "12": {"fuse"},
    "13": {"reduce"},
    "14": {"gather"},
    "16": {"dispatch"},
    "17": {"offload"},
    "18": {"beyond"},
}

SPINE = (
    "**Need.**",
    "**Predict.**",
    "**Verdict.**",
    "**Explain.**",
    "**When not to.**",
    "**Your turn.**",
    "**Next need.**",
    "Sources:",
)


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request):
    return request.param


def test_there_are_pages_to_test():
    assert len(SCRIPTS) >= 3


def test_folder_script_and_title_carry_the_same_number(script):
    number = script.stem.split("_")[1]  # "02", or "02b" for a page between two chapters
    chapter = number.removesuffix("b")
    title = ast.get_docstring(ast.parse(script.read_text("utf-8"))).splitlines()[0]
    assert script.parent.name.startswith(f"{chapter}_")
    assert title.startswith(f"{int(chapter)}{'½' if number.endswith('b') else ''} · ")
    assert (script.parent / "GALLERY_HEADER.rst").exists()


def test_a_page_has_the_whole_spine_in_order(script):
    text = script.read_text("utf-8")
    places = [text.find(part) for part in SPINE]
    assert -1 not in places, f"missing {SPINE[places.index(-1)]}"
    assert places == sorted(places)


def test_every_experiment_is_named_after_its_page_and_states_a_budget(script):
    budgets = budgets_of(script)
    assert budgets
    assert {name.split(".")[0] for name in budgets} <= PREFIX[script.stem.split("_")[1]]


@pytest.mark.parametrize("profile", PROFILES)
def test_budgets_fit_into_a_page_and_into_the_book(profile):
    factor = PROFILES[profile].budget_factor
    pages = {script.name: factor * sum(budgets_of(script).values()) for script in SCRIPTS}
    assert {page: s for page, s in pages.items() if s > PAGE_BUDGET_S[profile]} == {}
    assert sum(pages.values()) <= BOOK_BUDGET_S[profile]


def test_no_speed_is_typed_into_the_prose(script):
    prose = [
        line
        for line in script.read_text("utf-8").splitlines()
        if "× faster" in line or "x faster" in line or "times faster" in line
    ]
    assert prose == []


def test_a_script_runs_on_its_own_with_the_library_alone(script):
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(script.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert imported == {"accel"}
