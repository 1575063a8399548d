"""The rules of the house, checked on the source itself."""

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "accel"

#: Room -> rooms it may import. Imports point down.
MAY_IMPORT = {
    "accel": {"arrays", "backend", "ops"},
    "agreement": set(),
    "bars": set(),
    "places": set(),
    "simd": {"places"},
    "kernels": {"agreement", "simd"},
    "timing": {"agreement", "simd"},
    "ops": {"backend", "kernels"},
    "arrays": {"backend", "kernels", "ops", "places", "simd"},
    "bench": {"agreement", "bars", "findings", "kernels", "timing"},
    "backend": {"bars", "kernels", "simd", "timing"},
    "competition": {"kernels", "timing"},
    "course": {"competition", "kernels", "timing"},
    "findings": {"timing"},
    "figures": {"bench", "findings", "kernels", "timing"},
    "build": {"figures", "kernels", "timing"},
    "cli": {
        "arrays", "backend", "bars", "bench", "build", "competition", "course", "figures", "findings", "kernels", "timing",
    },
}

#: What draws and what typesets, and the rooms that may load it.
ONLY_ON_TOP = {
    "matplotlib": {"figures"},
    "sphinx": set(),
    "sphinx_gallery": set(),
    "docutils": set(),
    "myst_nb": set(),
    "IPython": set(),
}

MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = MODULES + sorted((ROOT / "conf").rglob("*.py")) + sorted((ROOT / "gallery").rglob("*.py"))
WRITTEN = [
    path
    for folder in ("accel", "book", "conf", "gallery", "tests", ".ci", ".github")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file()
    and path.suffix in {".py", ".md", ".rst", ".toml", ".txt", ".css", ".js", ".html", ".yml", ""}
    and "__pycache__" not in path.parts
    and not path.is_relative_to(ROOT / "book" / "gallery")  # written by the build
] + sorted(path for path in ROOT.glob("*") if path.suffix in {".md", ".toml"})


def name(path):
    return path.relative_to(ROOT).as_posix()


def room(path):
    place = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "accel" if place == "__init__" else place


def imports(path):
    """Return the full name of everything a file imports, also inside functions."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _called(node) == "import_module":
            found |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant)}
    return found


def _called(node):
    return getattr(node.func, "id", None) or getattr(node.func, "attr", None)


def rooms_imported(path):
    parts = [imported.split(".") for imported in imports(path)]
    ours = {part[1] if len(part) > 1 else "accel" for part in parts if part[0] == "accel"}
    return ours - {room(path), "__version__", "__file__"}


def test_there_is_something_to_check():
    assert {"accel/timing/records.py", "accel/build.py"} <= set(map(name, MODULES))
    assert {"accel/timing/records.py", "pyproject.toml"} <= set(map(name, WRITTEN))


CHAPTERS = [path for path in sorted((ROOT / "book").rglob("*.md")) if "code-cell" in path.read_text()]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_what_the_cells_of_a_chapter_import_is_there(chapter):
    cells = re.findall(r"^```\{code-cell\}.*?\n(.*?)^```", chapter.read_text("utf-8"), re.M | re.S)
    wanted = [
        (node.module, alias.name)
        for cell in cells
        for node in ast.walk(ast.parse(re.sub(r"^:.*$", "", cell, flags=re.M)))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert wanted
    for module, what in wanted:
        place = import_module(module)
        assert hasattr(place, what) or find_spec(f"{module}.{what}"), f"{module} has no {what}"


def test_every_room_has_its_rule():
    assert {room(path) for path in MODULES} <= set(MAY_IMPORT), "say above what it may import"


def test_imports_point_down():
    # The bare package, which everybody may import, holds its path and version only.
    upwards = {
        name(path): rooms_imported(path) - {"accel"} - MAY_IMPORT[room(path)] for path in MODULES
    }
    assert {path: rooms for path, rooms in upwards.items() if rooms} == {}


def test_only_what_measures_the_machine_itself_is_written_with_registers():
    compiled = {name(path) for path in MODULES if room(path) == "timing"}
    compiled = {path for path in compiled if "simd" in rooms_imported(ROOT / path)}
    assert compiled == {"accel/timing/roofs/chase.py", "accel/timing/roofs/probes.py"}


def test_drawing_and_typesetting_stay_on_top():
    misplaced = [
        f"{name(path)} loads {library}"
        for path in MODULES
        for library in {imported.split(".")[0] for imported in imports(path)} & set(ONLY_ON_TOP)
        if room(path) not in ONLY_ON_TOP[library]
    ]
    assert misplaced == []


def test_the_rules_allow_no_circle():
    """Take away rooms that import nothing that is left, until none is left."""
    left = dict(MAY_IMPORT)
    while left:
        ground = [each for each, below in left.items() if not below & set(left)]
        assert ground, f"a circle among {', '.join(left)}"
        left = {each: below for each, below in left.items() if each not in ground}


def handlers(path):
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]


def test_no_error_is_caught_that_was_not_foreseen():
    assert [
        f"{name(path)}:{h.lineno}" for path in SOURCES for h in handlers(path) if greedy(h)
    ] == []
    assert matches(SOURCES, r"suppress\((Base)?Exception\b") == []


def greedy(handler):
    """Catches whatever comes, and does not raise it again."""
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    last = handler.body[-1]
    raised_again = isinstance(last, ast.Raise) and last.exc is None
    return bool(re.search(r"\bException\b", caught)) or (
        caught == "BaseException" and not raised_again
    )


def test_no_error_is_passed_over_in_silence():
    silent = [
        f"{name(path)}:{handler.lineno}"
        for path in SOURCES
        for handler in handlers(path)
        if all(isinstance(statement, ast.Pass) for statement in handler.body)
    ]
    assert silent == []


def matches(paths, pattern):
    return [name(path) for path in paths if re.search(pattern, path.read_text("utf-8"))]


def test_nothing_is_left_to_be_done_later():
    assert matches(WRITTEN, r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b") == []


def test_no_path_of_anybodys_computer_is_written_down():
    homes = ("/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/", "C:" + r"\\Us" + "ers")
    assert matches(WRITTEN, "|".join(homes)) == []


def test_no_module_is_a_drawer_for_everything():
    assert not {path.stem for path in MODULES} & {"utils", "util", "helpers", "misc", "common"}
    classes = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert [each for each in classes if "Manager" in each] == []
