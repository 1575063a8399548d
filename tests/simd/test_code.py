"""What the machine code is made of: whole registers, and no function called per lane."""

import functools
import re

import llvmlite.binding
import numpy as np
import pytest

from accel.simd import (
    Tile,
    bell,
    convert,
    erf,
    exp,
    exp2,
    fma,
    jit,
    load,
    load_first,
    log,
    round_to_even,
    select,
    sqrt,
    store,
    store_first,
    store_streaming,
    tanh,
    tile_load,
    tile_store,
    tile_transpose,
    vector,
)


@jit
def arithmetic(V, x, out):
    v, w = load(V, x, 0), load(V, x, V.lanes)
    store(out, 0, fma(v, w, v))
    store(out, V.lanes, select(v < w, v, w * w))
    store(out, 2 * V.lanes, sqrt(v))
    store(out, 3 * V.lanes, round_to_even(v))


@jit
def streamed(V, x, out):
    store_streaming(out, 0, load(V, x, 0))


@jit
def tail(V, x, count, out):
    store_first(out, 0, load_first(V, x, 0, count), count)


@jit
def integers(V, W, x, out):
    store(out, 0, convert(W, load(V, x, 0)))


@jit
def elementary(V, x, out):
    v = load(V, x, 0)
    store(out, 0, exp(v) + exp2(v) + tanh(v) + erf(v) + log(v) + bell(v))


@jit
def transposed(T, x, out):
    tile_store(tile_transpose(tile_load(T, x, 0, T.columns)), out, 0, T.columns)


def instructions(function, *arguments):
    """Compile for these arguments only, and return the instructions, with their operands."""
    fresh = jit(function.py_func)
    fresh(*arguments)
    (text,) = fresh.inspect_asm().values()
    return re.findall(r"^\t([a-z]\w*\s.*|[a-z]\w*)$", text, re.MULTILINE)


@functools.cache
def numbers(dtype):
    """Return numbers and room for results, both at a multiple of 64 bytes."""
    host = np.zeros((2, 1024), dtype)
    start = -host.ctypes.data % 64 // host.itemsize
    assert host[1].ctypes.data % 64 == host.ctypes.data % 64
    host[0] = np.linspace(0.1, 1, 1024)
    return host[0, start : start + 512], host[1, start : start + 512]


#: What the best registers of a machine call the instructions of the functions above.
NAMES = {
    "avx512f": {
        arithmetic: ["vfmadd", "zmm.*{%k", "vsqrtps", "vrndscaleps"],
        streamed: ["vmovntps|vmovntdq"],
        tail: ["vmovups.*{%k", "vmovups.*{%k.*{z}"],
    },
    "fma": {
        arithmetic: ["vfmadd", "vblendvps", "vsqrtps", "vroundps"],
        streamed: ["vmovntps|vmovntdq"],
        tail: ["vmaskmovps"],
    },
    None: {arithmetic: [], streamed: [], tail: []},
}


@pytest.mark.parametrize("function", [arithmetic, streamed, tail], ids=lambda f: f.__name__)
def test_operations_are_the_machine_s_own_instructions(function):
    features = llvmlite.binding.get_host_cpu_features()
    names = NAMES[next((each for each in NAMES if each and features.get(each)), None)]
    x, out = numbers("float32")
    count = (3,) if function is tail else ()
    code = "\n".join(instructions(function, vector("float32"), x, *count, out))
    assert [name for name in names[function] if not re.search(name, code)] == []


@pytest.mark.parametrize(
    "V", [vector("float32"), vector("float64"), vector("float64", 32)], ids=str
)
def test_elementary_functions_call_no_library(V):
    x, out = numbers(V.dtype)
    code = instructions(elementary, V, x, out)
    called = re.findall(r"\b(?:exp2?f?|tanhf?|erff?|logf?|ldexpf?|roundevenf?)\b", "\n".join(code))
    assert called == []


@pytest.mark.parametrize(("source", "target"), [("float32", "int32"), ("uint8", "float32"),
                                                ("float32", "uint8"), ("int32", "float32")])  # fmt: skip
def test_conversions_take_no_register_apart(source, target):
    x, out = np.ones(64, source), np.ones(64, target)
    lanes = vector("float32").lanes
    code = instructions(integers, vector(source, lanes), vector(target, lanes), x, out)
    assert [line for line in code if re.match(r"v?(cvt\w*s[sd]|pextr|pinsr|extractps)", line)] == []


def test_transposition_shuffles_each_register_once_per_round():
    V = vector("float32")
    x, out = numbers("float32")
    code = instructions(transposed, Tile(V, V.lanes, 1), x, out)
    shuffles = [
        line for line in code if re.match(r"v?(unpck|shuf|perm|insertf|blend|mov[lh]+ps)", line)
    ]
    assert len(shuffles) <= V.lanes * np.log2(V.lanes)
