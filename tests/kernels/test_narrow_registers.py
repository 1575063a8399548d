"""Every kernel to call is right on processors with narrower registers than this one's.

Numba is told the name of an older processor. Whatever depends on the width of a register or
on an instruction is then decided as it would be there, and runs here all the same.
"""

import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.thorough

OLDER = {"nehalem": (16, "+sse4.2"), "haswell": (32, "+avx,+avx2,+fma")}
ON_X86 = platform.machine() in ("x86_64", "AMD64")

SCRIPT = """
import json, sys
import numpy as np
from accel.agreement import difference
from accel.kernels import check, ladder, operation
from accel.kernels.registry import FAMILIES
from accel.simd import vector

complaints, tried = [], 0
for name in FAMILIES:
    op = operation(name)
    for dtype in ("float32", "float64"):
        steps = {s.name: s for t in ("best", "threads") for s in ladder(name, dtype=dtype, tag=t)}
        for step in steps.values():
            tried += 1
            found = check(step.function, name, dtype=dtype, adapt=step.adapt)
            if op.sizes:  # past the caches, where other code begins
                parameters = {**op.sizes(3_000_000), "dtype": dtype}
                arguments = op.inputs(**parameters)
                answer, tolerance = op.oracle(*arguments)
                step.function(*arguments)
                found += [f"{parameters}: {c}"
                          for c in [difference(np.asarray(arguments[-1]), answer, tolerance)] if c]
            complaints += [f"{name}.{step.name} {dtype}: {each}" for each in found]
lanes = vector("float32").lanes
print(json.dumps({"bytes": 4 * lanes, "tried": tried, "complaints": complaints}))
"""


@pytest.mark.skipif(not ON_X86, reason="this processor's registers have 16 bytes themselves")
def test_kernels_are_right_on_older_processors(tmp_path):
    begun = {}
    for processor, (_, features) in OLDER.items():
        cache = tmp_path / processor
        surroundings = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features,
                        "NUMBA_CACHE_DIR": str(cache), "PATH": "", "HOME": str(tmp_path)}  # fmt: skip
        begun[processor] = subprocess.Popen(
            [sys.executable, "-c", SCRIPT], env=surroundings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    for processor, process in begun.items():
        told, wrong = process.communicate()
        assert process.returncode == 0, wrong[-2000:]
        answer = json.loads(told)
        assert answer["bytes"] == OLDER[processor][0]
        assert answer["tried"] > 60
        assert answer["complaints"] == []
