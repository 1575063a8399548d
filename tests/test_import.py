"""What an import loads, seen from a fresh interpreter."""

import json
import subprocess
import sys

import pytest

HEAVY = {"numba", "llvmlite", "numpy", "matplotlib", "sphinx", "dask", "IPython", "rich", "typer"}


def loaded_after(code):
    """Return the modules that a fresh interpreter has loaded after some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(answer.stderr.splitlines()[-1]))


def test_import_accel_loads_nothing_heavy():
    assert loaded_after("import accel") & HEAVY == set()


def test_looking_at_what_accel_has_loads_nothing_heavy():
    assert loaded_after("import accel; dir(accel); accel.__version__") & HEAVY == set()


@pytest.mark.parametrize("room", ["timing", "timing.worker", "timing.report", "build"])
def test_measuring_and_building_need_no_compiler_and_draw_nothing(room):
    assert loaded_after(f"import accel.{room}") & HEAVY <= {"numpy"}


def test_a_room_is_loaded_when_it_is_first_asked_for():
    loaded = loaded_after("import accel; accel.timing.measure")
    assert "accel.timing" in loaded
    assert not {"accel.kernels", "accel.simd", "accel.figures"} & loaded


@pytest.mark.parametrize("command", ["--help", "machine", "build --help"])
def test_commands_that_draw_nothing_load_neither_sphinx_nor_matplotlib_nor_numba(command):
    code = f"""
import sys
sys.argv = ["accel", *{command.split()}]
from accel.cli import main
try:
    main()
except SystemExit as ending:
    assert not ending.code
"""
    assert loaded_after(code) & {"sphinx", "matplotlib", "numba", "dask"} == set()


def test_accel_lists_its_rooms():
    import accel

    assert {"kernels", "timing", "figures", "simd", "agreement", "__version__"} <= set(dir(accel))
    assert accel.timing.measure is accel.timing.experiment.measure


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    import accel

    assert accel.__version__ == version("accel-book")


def test_an_unknown_attribute_is_named_beside_those_there_are():
    import accel

    with pytest.raises(AttributeError, match="no attribute 'gpu'; it has .*kernels.*timing"):
        accel.gpu  # noqa: B018
