"""Machine code of the matmul ladder: compiled once and kept, and the tile in registers.

All of it is made by child processes with a cache folder of their own, since code that
comes from the cache can be run but not read.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import llvmlite.binding
import numpy as np
import pytest

import accel
from accel.kernels.matmul.blocks import host_tile

pytestmark = pytest.mark.thorough

SCRIPT = """
import gc, json, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from accel.kernels import kernel, matmul
from accel.kernels.matmul import blocks
from accel.simd import Tile, cache_problem, vector

def ours():
    found = [each for each in gc.get_objects() if isinstance(each, Dispatcher)]
    return [each for each in found if each.py_func.__module__.startswith("accel.")]

compiled_by_import = sum(len(each.signatures) for each in ours())
names, tiles = sys.argv[1].split(","), {"narrow": Tile(vector("float32", 4), 5, 2)}
for name in names:
    for dtype in ("float32", "float64"):
        a, b, out = matmul.inputs(n=40, dtype=dtype)
        kernel("matmul", name).function(a, b, out)
        tiles[dtype] = blocks.host_tile(np.dtype(dtype))
if "tiled" in names:
    a, b, out = matmul.inputs(n=40)
    matmul.tiled(a, b, out, tiles["narrow"])
assert np.abs(out - a @ b).max() < 1e-4
answer = {
    "place": matmul.__file__,
    "compiled_by_import": compiled_by_import,
    "hits": sum(sum(each.stats.cache_hits.values()) for each in ours()),
    "misses": sum(sum(each.stats.cache_misses.values()) for each in ours()),
    "problem": cache_problem(),
}
if "show" in sys.argv:
    code = {key: blocks.product(tile) for key, tile in tiles.items()}
    answer["code"] = {key: "".join(each.inspect_asm().values()) for key, each in code.items()}
print(json.dumps(answer))
"""

KERNELS = "ijk,ikj,blocked,blocked_32,packed,tiled"


def child(*arguments, cwd=None, **environment):
    """Run `SCRIPT` in a new process, and return what it reports."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def first(cache):
    """What the first process reports, which compiles everything."""
    return child(KERNELS, "show", NUMBA_CACHE_DIR=cache)


def test_importing_compiles_nothing(first):
    assert first["compiled_by_import"] == 0


def test_a_second_process_compiles_nothing(first, cache):
    """Of two element types, and of `tiled` two widths; `blocked_32` runs `blocked`."""
    assert first["misses"] > 0
    second = child(KERNELS, NUMBA_CACHE_DIR=cache)
    assert (second["misses"], second["hits"], second["problem"]) == (0, 2 * 5 + 1, None)


def test_without_a_cache_folder_the_kernels_compile_all_the_same(tmp_path):
    """No folder where the environment says, nor beside the modules, nor in the home."""
    package = Path(accel.__file__).parent
    keep_out = shutil.ignore_patterns("__pycache__", "timing", "figures")
    shutil.copytree(package, tmp_path / "accel", ignore=keep_out)
    for folder in ("kernels", "kernels/matmul"):
        (tmp_path / "accel" / folder / "__pycache__").touch()
    nowhere = str(tmp_path / "accel" / "agreement.py" / "below")  # a file has no inside
    places = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"), nowhere)
    answer = child("ikj,blocked_32", cwd=tmp_path, **places)
    assert answer["place"].startswith(str(tmp_path))
    assert answer["hits"] == 0
    assert "no locator available" in answer["problem"]


def multiply_add(dtype, *, lanes=None):
    """Return a pattern for multiply-adds of whole registers in this host's assembly."""
    letter = {"float32": "s", "float64": "d"}[dtype]
    if not llvmlite.binding.get_default_triple().startswith("x86_64"):
        return rf"fmla[\s.].*\d{letter}"
    features = llvmlite.binding.get_host_cpu_features()
    registers = "xmm" if lanes == 4 or not features.get("avx") else "[yz]mm"
    operation = rf"vfmadd\d+p{letter}" if features.get("fma") else rf"v?mulp{letter}"
    return rf"{operation}\s.*%{registers}"


@pytest.mark.parametrize(
    ("key", "dtype", "lanes", "accumulators"),
    [("narrow", "float32", 4, 10)]
    + [
        (dtype, dtype, None, host_tile(np.dtype(dtype)).rows * host_tile(np.dtype(dtype)).vectors)
        for dtype in ("float32", "float64")
    ],
)
def test_the_tile_stays_in_registers(first, key, dtype, lanes, accumulators):
    """The inner loop multiplies and adds, once for each accumulator, and spills none."""
    blocks = re.split(r"\n\.?L\w*:", first["code"][key])
    counts = [len(re.findall(multiply_add(dtype, lanes=lanes), block)) for block in blocks]
    assert accumulators in counts
    spill = r"mm\d+, -?\d*\(%rsp|\(%rsp\), %[xyz]mm|q\d+, \[sp"
    loops = [block for block, count in zip(blocks, counts, strict=True) if count == accumulators]
    assert not re.search(spill, loops[0])
