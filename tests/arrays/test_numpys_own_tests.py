"""NumPy's own tests of what `Array` covers, with arrays that are `Array`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
TESTS = Path(np.__file__).parent / "_core" / "tests"
FILES = ("test_umath", "test_ufunc", "test_numeric", "test_einsum", "test_multiarray")

#: What is run with every loop in parts and every kernel asked, however short.
IN_PARTS = ("test_umath", "test_ufunc", "test_numeric", "test_einsum")

#: Memory that NumPy's tests may take; those that need more skip themselves.
MEMORY = "1GB"


def run(module, folder, **variables):
    """Run a file of NumPy's tests in a process of its own; return its last lines."""
    environment = {**os.environ, "NPY_AVAILABLE_MEM": MEMORY, **variables}
    paths = [str(HERE), str(HERE.parents[1])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "in_arrays_place",
        "-c", os.devnull, "--rootdir", str(folder), "-W", "ignore", "--tb=line",
        "--pyargs", f"numpy._core.tests.{module}",
    ]  # fmt: skip
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=1800
    )
    return done.returncode, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.thorough
@pytest.mark.skipif(not TESTS.is_dir(), reason="this NumPy came without its tests")
@pytest.mark.parametrize("module", FILES)
def test_numpys_tests_hold_for_array(module, tmp_path):
    code, said = run(module, tmp_path)
    assert code == 0, said
    assert int(re.search(r"(\d+) passed", said)[1]) > 40


@pytest.mark.thorough
@pytest.mark.skipif(not TESTS.is_dir(), reason="this NumPy came without its tests")
@pytest.mark.parametrize("module", IN_PARTS)
def test_numpys_tests_hold_where_every_loop_is_run_in_parts(module, tmp_path):
    code, said = run(module, tmp_path, ACCEL_IN_PARTS="1")
    assert code == 0, said
    assert int(re.search(r"(\d+) passed", said)[1]) > 40
