"""Probes: exact answers, nothing skipped, and the instructions that they are meant to be."""

import re

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.simd import vector
from accel.timing.roofs import probes

SIZES = (1, 2, 7, 31, 63, 64, 65, 127, 128, 129)
THREADS = (1, 3)


def answer(kernel, arguments, oracle):
    """Run a probe and compare with its oracle as a worker does."""
    kernel(*arguments)
    return difference(arguments[-1], *oracle(*arguments))


# --- arithmetic ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", ["fma_128", "fma_256", "fma_512", "fma_scalar"])
def test_every_width_counts_every_step_in_every_lane(dtype, width):
    arguments = probes.fma_inputs(dtype, threads=1, steps=37, widest=512, chains=12)
    assert answer(getattr(probes, width), arguments, probes.fma_oracle) is None


def test_all_threads_do_the_work_of_one():
    arguments = probes.fma_inputs("float32", threads=3, steps=37, widest=256, chains=12)
    assert answer(probes.fma_256, arguments, probes.fma_oracle) is None


@pytest.mark.parametrize("steps", [0, 1])
def test_as_few_steps_as_there_can_be_are_counted_too(steps):
    arguments = probes.fma_inputs("float64", threads=1, steps=steps, widest=128, chains=12)
    assert answer(probes.fma_128, arguments, probes.fma_oracle) is None


def test_a_skipped_step_is_a_wrong_answer():
    *first, steps, widest, out = probes.fma_inputs("float32", 1, 100, 512, 12)
    probes.fma_512(*first, steps - 1, widest, out)
    assert "expected 100" in difference(out, *probes.fma_oracle(*first, steps, widest, out))


def test_the_largest_count_fits_the_mantissa_and_one_more_is_refused():
    most = 2**24 // 16  # sixteenths, in a scalar beside 512 bits of float32
    fitting = probes.fma_inputs("float32", 1, most, 512, 12)
    assert probes.fma_oracle(*fitting)[0][0, 0] == most
    with pytest.raises(ValueError, match="more than float32 can count"):
        probes.fma_oracle(*probes.fma_inputs("float32", 1, most + 1, 512, 12))


@pytest.mark.parametrize("chains", [1, 16, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chains_begin_at_zeros_of_their_own_and_read_nothing_beside_them(dtype, chains):
    start, *_ = probes.fma_inputs(dtype, 1, 1, 512, chains)
    widest = probes._tile(dtype, 512, chains)
    assert start.size >= max(chains, widest.columns)  # loads check no bounds
    with pytest.raises(ValueError, match="65 chains are more than 64"):
        probes.fma_inputs(dtype, 1, 1, 512, 65)


def test_scalar_chains_refuse_several_threads():
    with pytest.raises(ValueError, match="runs in 1 thread, not in 2"):
        probes.fma_scalar(*probes.fma_inputs("float32", 2, 10, 512, 12))


def test_a_chain_of_anything_else_is_refused_while_compiling():
    def wrong(x):
        return probes._step(x, 1.0, 1.0)

    with pytest.raises(numba.TypingError, match="expected a register tile or a tuple of floats"):
        numba.njit(wrong)(3)


def optimised(function, *arguments):
    """Return what LLVM makes of a probe: compiled afresh, since cached code cannot be shown."""
    dispatcher = numba.njit(function.py_func)
    dispatcher(*arguments)
    (signature,) = dispatcher.signatures
    return dispatcher.inspect_llvm(signature)


def test_chains_stay_apart_and_are_fused_multiply_adds_of_whole_registers():
    start, factor, chains, steps, _, out = probes.fma_inputs("float32", 1, 5, 256, 12)
    tile = probes._tile("float32", 256, chains)
    code = optimised(probes._vector_chains, tile, start, factor, start[0], steps, out, 0)
    made = re.findall(r"= (?:tail )?call <8 x float> @llvm\.fma\.v8f32", code)
    # A loop over a dozen chains; merged ones would leave a single multiply-add.
    assert len(made) >= 12
    loops = re.findall(r"phi <8 x float>", code)
    assert len(loops) >= 12  # the sums are values from turn to turn, not places in memory


@pytest.mark.parametrize(
    ("probe", "arrays"), [(probes._load, 1), (probes._copy, 2), (probes._triad, 3)]
)
def test_the_compiler_replaces_no_probe_by_a_library_call(probe, arrays):
    memory = [np.ones(64) for _ in range(arrays)]
    more = [np.zeros(8)] if arrays == 1 else []
    code = optimised(probe, vector("float64"), *memory, *more, 0, 64, 3)
    assert "llvm.memcpy" not in code and "llvm.memmove" not in code and "@memcpy" not in code
    stores = re.findall(r"store <\d+ x double>", code)
    assert bool(stores) == (arrays > 1)


# --- memory traffic ------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("size", SIZES)
def test_load_adds_up_every_element_once_per_pass(size, threads):
    x, out = np.ones(size), np.zeros((threads, 8))
    probes.load((x,), 5, threads, out)
    assert out[:, 0].sum() == 5 * size
    assert difference(out, *probes.load_oracle((x,), 5, threads, out)) is None


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("size", SIZES)
def test_copy_copies_every_element_and_nothing_else(size, threads):
    x, room = np.arange(1.0, size + 1), np.full(size + 8, -1.0)
    out = np.zeros(probes.SHOWN)
    probes.copy((x, room[:size]), 2, threads, out)
    assert np.array_equal(room, np.append(x, np.full(8, -1.0)))
    assert difference(out, *probes.copy_oracle((x, room[:size]), 2, threads, out)) is None


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("size", SIZES)
def test_triad_computes_every_element_and_nothing_else(size, threads):
    x = np.arange(1.0, size + 1)
    room, out = np.full(size + 8, -1.0), np.zeros(probes.SHOWN)
    arrays = x, x[::-1].copy(), room[:size]
    probes.triad(arrays, 2, threads, out)
    assert np.array_equal(room, np.append(3 * x + x[::-1], np.full(8, -1.0)))


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("probe", probes.ARRAYS)
def test_a_probe_on_its_own_inputs_gives_the_answer_of_its_oracle(probe, threads):
    arguments = probes.traffic_inputs(probe, 5000, threads, 3)
    oracle = getattr(probes, f"{probe}_oracle")
    assert answer(getattr(probes, probe), arguments, oracle) is None


def test_a_pass_too_few_is_a_wrong_answer():
    arrays, passes, threads, out = probes.traffic_inputs("load", 4096, 1, 7)
    probes.load(arrays, passes - 1, threads, out)
    assert difference(out, *probes.load_oracle(arrays, passes, threads, out))


@pytest.mark.parametrize("probe", ["copy", "triad", "streaming"])
def test_a_result_that_was_never_written_is_a_wrong_answer(probe):
    arrays, passes, threads, out = probes.traffic_inputs(probe, 4096, 1, 0)
    arrays[-1][:] = 0
    assert answer(getattr(probes, probe), (arrays, 0, 1, out), getattr(probes, f"{probe}_oracle"))


@given(st.sampled_from(list(probes.ARRAYS)), st.integers(0, 2**16))
def test_arrays_begin_on_cache_lines_and_take_the_footprint(probe, footprint):
    arrays, *_ = probes.traffic_inputs(probe, footprint, 1, 1)
    assert all(array.ctypes.data % 64 == 0 for array in arrays)
    taken = sum(array.nbytes for array in arrays)
    granule = 32 * 8 * len(arrays)
    assert taken % granule == 0
    assert abs(taken - footprint) <= granule / 2 or taken == granule
    places = sorted((array.ctypes.data, array.nbytes) for array in arrays)
    assert all(a + n <= b for (a, n), (b, _) in zip(places, places[1:], strict=False))


@given(st.integers(1, 70), st.integers(0, 5000))
def test_threads_share_an_array_without_gap_or_overlap_on_whole_lines(threads, size):
    parts = [probes._share.py_func(row, threads, size) for row in range(threads)]
    assert parts[0][0] == 0 and parts[-1][1] == size
    assert all(end == begin for (_, end), (begin, _) in zip(parts, parts[1:], strict=False))
    assert all(begin % 8 == 0 or begin == size for begin, _ in parts)
