"""What the second process finds compiled, and what becomes of one that can keep nothing."""

import json
import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from accel.simd import jit

MODULE = """
import json

import numpy as np

from accel.simd import cache_problem, jit, load, store, vector


@jit
def doubled(V, x, out):
    v = load(V, x, 0)
    store(out, 0, v + v)


def report(*widths):
    x = np.arange(16, dtype="float32")
    results = []
    for lanes in widths:
        out = np.zeros_like(x)
        doubled(vector("float32", lanes), x, out)
        results.append(out.tolist())
    hits, misses = doubled.stats.cache_hits, doubled.stats.cache_misses
    print(json.dumps({
        "results": results,
        "hits": sum(hits.values()),
        "misses": sum(misses.values()),
        "problem": cache_problem(),
    }))
"""

DOUBLED = {lanes: [2.0 * i * (i < lanes) for i in range(16)] for lanes in (4, 8)}
BOTH = [DOUBLED[4], DOUBLED[8]]


@pytest.fixture
def folder(tmp_path):
    """A folder with a module to import."""
    (tmp_path / "kernels_of_test.py").write_text(MODULE, "utf-8")
    return tmp_path


@pytest.fixture
def cache(tmp_path):
    """An empty cache folder."""
    return tmp_path / "cache"


def report(folder, *widths, before="", **environment):
    """Import the module in a new process, and return what it reports."""
    code = f"{before}\nimport kernels_of_test; kernels_of_test.report{widths}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**kept, **{key: str(value) for key, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_second_process_compiles_nothing(folder, cache):
    first = report(folder, 4, 8, NUMBA_CACHE_DIR=cache)
    second = report(folder, 4, 8, NUMBA_CACHE_DIR=cache)
    assert first == {"results": BOTH, "hits": 0, "misses": 2, "problem": None}
    assert second == {"results": BOTH, "hits": 2, "misses": 0, "problem": None}


def test_code_is_compiled_anew_when_another_file_of_its_package_changes(folder, cache):
    family = folder / "pack" / "kernels" / "family"
    family.mkdir(parents=True)
    for part in (family, family.parent, family.parent.parent):
        (part / "__init__.py").write_text("", "utf-8")
    (folder / "pack" / "kernels" / "parts.py").write_text(PART.format(2), "utf-8")
    (family / "whole.py").write_text(WHOLE, "utf-8")
    assert [_whole(folder, cache) for _ in range(2)] == ["2.0 0", "2.0 1"]
    (folder / "pack" / "kernels" / "parts.py").write_text(PART.format(3), "utf-8")
    assert _whole(folder, cache) == "3.0 0"


PART = "from accel.simd import jit\n\n\n@jit\ndef part(x):\n    return {} * x\n"
WHOLE = """
from accel.simd import jit
from pack.kernels.parts import part


@jit
def whole(x):
    return part(x)
"""


def _whole(folder, cache):
    """Call the function in a new process; return its answer and what was found compiled."""
    code = (
        "from pack.kernels.family.whole import whole; print(whole(1.0), "
        "sum(whole.stats.cache_hits.values()))"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**kept, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout.strip()


def test_each_width_is_kept_by_itself(folder, cache):
    report(folder, 8, NUMBA_CACHE_DIR=cache)
    second = report(folder, 4, 8, NUMBA_CACHE_DIR=cache)
    assert second == {"results": BOTH, "hits": 1, "misses": 1, "problem": None}


def test_code_made_with_another_version_of_the_registers_is_not_used(folder, cache):
    report(folder, 4, NUMBA_CACHE_DIR=cache)
    other = "from accel.simd import keeping; keeping._digest = lambda package: 'another'"
    assert report(folder, 4, before=other, NUMBA_CACHE_DIR=cache)["misses"] == 1
    assert report(folder, 4, NUMBA_CACHE_DIR=cache)["hits"] == 1


def test_without_a_folder_each_process_compiles_and_says_why(folder):
    nowhere = folder / "kernels_of_test.py" / "below"  # a file has no inside
    (folder / "__pycache__").write_text("in the way")
    got = report(
        folder, 4, 8,
        PYTHONDONTWRITEBYTECODE=1, HOME=nowhere, XDG_CACHE_HOME=nowhere, NUMBA_CACHE_DIR=nowhere,
    )  # fmt: skip
    assert got["results"] == BOTH
    assert got["hits"] == 0
    assert "cannot cache function 'doubled'" in got["problem"]


def test_full_disk_costs_time_only(folder, cache):
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    got = report(folder, 4, before=full, NUMBA_CACHE_DIR=cache, PYTHONDONTWRITEBYTECODE=1)
    assert got["results"] == [DOUBLED[4]]
    assert got["problem"].startswith(str(cache))
    assert "File too large" in got["problem"]


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 100], ids=["emptied", "cut"])
def test_damaged_cache_file_costs_time_only(folder, cache, kind, left):
    report(folder, 4, NUMBA_CACHE_DIR=cache)
    (file,) = cache.rglob(f"*doubled*.{kind}")
    file.write_bytes(file.read_bytes()[:left])
    assert report(folder, 4, NUMBA_CACHE_DIR=cache)["results"] == [DOUBLED[4]]


def test_options_are_numba_s():
    @jit(fastmath=True, nogil=True)
    def halved(x):
        return x / 2

    assert halved(3) == 1.5
    assert halved.targetoptions["fastmath"]
    assert halved.targetoptions["nogil"]


def test_signatures_are_compiled_at_once_and_for_good():
    @jit(signatures=[(numba.float64,), (numba.int64,)])
    def doubled(x):
        return x + x

    assert len(doubled.signatures) == 2
    assert doubled(2) == 4
    assert doubled(2.5) == 5.0
    assert doubled(np.float32(2.5)) == 5.0  # converted
    with pytest.raises(TypeError, match="No matching definition"):
        doubled("text")
    assert len(doubled.signatures) == 2


def test_signature_of_any_layout_serves_every_layout():
    array = numba.types.Array(numba.float64, 1, "A", readonly=True)

    @jit(signatures=[(array,)])
    def last(x):
        return x[-1]

    x = np.arange(6.0)
    assert [last(x), last(x[::2]), last(x[::-1])] == [5, 4, 0]
    assert len(last.signatures) == 1
