import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing import sample
from accel.timing.clock import ClockError


def counting(clock, cost_ns, seen):
    """A kernel that takes `cost_ns` and notes the arguments it is called with."""

    def kernel(*arguments):
        seen.append(arguments)
        clock.spend(cost_ns)

    return kernel


def test_a_sample_is_the_time_of_its_calls(clock):
    seen = []
    assert sample.sample_ns(counting(clock, 70, seen), (1, 2), 5, clock) == 5 * 70
    assert seen == [(1, 2)] * 5


def test_a_sample_reads_the_clock_twice_however_many_calls(make_clock):
    clock = make_clock(read_ns=10)
    elapsed = sample.sample_ns(lambda: clock.spend(3), (), 1000, clock)
    assert (clock.readings, elapsed) == (2, 1000 * 3 + 10)


class SlowToCopy(np.ndarray):
    """An array that takes an hour to restore."""

    clock = None

    def __array_function__(self, function, types, arguments, keywords):
        SlowToCopy.clock.spend(3600 * 10**9)
        return super().__array_function__(function, types, arguments, keywords)


def test_restoring_changed_arguments_is_off_the_clock(clock):
    SlowToCopy.clock = clock
    data = np.arange(4.0).view(SlowToCopy)
    elapsed = sample.sample_restored_ns(
        lambda x: clock.spend(11), (data,), [np.arange(4.0)], 3, clock
    )
    assert elapsed == 3 * 11
    assert clock.now >= 3 * 3600 * 10**9, "the copies did take place"


def test_every_call_sees_changed_arguments_as_they_were(clock):
    seen = []

    def double_in_place(x, scratch):
        seen.append((x.tolist(), scratch.tolist()))
        x *= 2
        scratch += 1

    x, scratch = np.array([1.0, 2.0]), np.zeros(1)
    sample.sample_restored_ns(double_in_place, (x, scratch), [x.copy(), None], 3, clock)
    assert seen == [([1.0, 2.0], [0.0]), ([1.0, 2.0], [1.0]), ([1.0, 2.0], [2.0])]


def test_each_argument_needs_its_copy_or_none(clock):
    with pytest.raises(ValueError, match="zip"):
        sample.sample_restored_ns(lambda a, b: None, (1, 2), [None], 1, clock)


@given(cost_ns=st.integers(1, 10**10), target_ns=st.integers(1, 10**8))
def test_calibrated_samples_reach_the_target_without_much_excess(cost_ns, target_ns):
    loops = sample.calibrate(lambda loops: loops * cost_ns, target_ns)
    assert target_ns <= loops * cost_ns <= 1.1 * target_ns + cost_ns


@given(cost_ns=st.integers(1, 10**6), preempted=st.integers(0, 12), delay_ns=st.integers(0, 10**9))
def test_one_preempted_reading_does_not_end_the_search(cost_ns, preempted, delay_ns):
    readings = iter(range(10**6))

    def reading(loops):
        return loops * cost_ns + (delay_ns if next(readings) == preempted else 0)

    assert sample.calibrate(reading, 10**6) * cost_ns >= 10**6


@given(readings=st.lists(st.integers(0, 10**6), max_size=40))
def test_calibration_grows_by_at_most_tenfold_from_one_reading_to_the_next(readings):
    asked, script = [1], iter(readings)

    def reading(loops):
        asked.append(loops)
        return next(script, 10**6)

    sample.calibrate(reading, 10**6)
    assert all(now <= 10 * before for before, now in zip(asked, asked[1:], strict=False))


def test_a_kernel_that_takes_no_time_is_called_no_more_often_than_the_most_allowed():
    asked = []

    def reading(loops):
        asked.append(loops)
        return 0

    assert sample.calibrate(reading, 10**6, most=5000) == 5000
    assert max(asked) <= 5000


def test_no_target_means_single_calls():
    assert sample.calibrate(lambda loops: 0, 0) == 1


@pytest.mark.parametrize(
    ("loops", "baseline", "aligned"),
    [
        ([7], 0, [7]),
        ([7, 8], 0, [8, 8]),
        ([8, 7], 0, [8, 8]),
        ([100, 150, 151, 67, 66], 0, [150, 150, 151, 150, 66]),
        ([100, 1, 99], 1, [100, 1, 99]),
        ([1, 1, 1], 2, [1, 1, 1]),
    ],
)
def test_kernels_about_as_fast_as_the_baseline_get_one_loop_count(loops, baseline, aligned):
    assert sample.aligned(loops, baseline) == aligned


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=9), st.data())
def test_aligning_never_shortens_a_sample_and_lengthens_it_by_little(loops, data):
    baseline = data.draw(st.integers(0, len(loops) - 1))
    for before, after in zip(loops, sample.aligned(loops, baseline), strict=True):
        assert before <= after <= 2.25 * before


@pytest.mark.parametrize(
    ("seconds", "call_ns", "calls"),
    [(0, 300, 0), (1e-6, 300, 4), (1e-6, 10**9, 1), (0.1, 10**6, 100)],
)
def test_warm_up_lasts_by_time_not_by_count(clock, seconds, call_ns, calls):
    made = []

    def reading(loops):
        made.append(loops)
        clock.spend(call_ns)

    sample.warm_up(reading, seconds, clock)
    assert made == [1] * calls


def test_the_collector_runs_once_and_then_rests(monkeypatch):
    collected = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(gc.isenabled()))
    with sample.garbage_collector_off():
        assert not gc.isenabled()
        assert collected == [True]
    assert gc.isenabled()


def test_the_collector_is_back_after_an_error():
    with pytest.raises(ZeroDivisionError), sample.garbage_collector_off():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with sample.garbage_collector_off():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("last_level_bytes", [0, 1, 4096, 3 * 2**20])
def test_the_eviction_buffer_is_twice_the_last_level_cache(last_level_bytes):
    assert sample.eviction_buffer(last_level_bytes).nbytes == max(8, 2 * last_level_bytes // 8 * 8)


def test_eviction_writes_to_every_line_of_64_bytes():
    buffer = sample.eviction_buffer(2**12)
    before = buffer.copy()
    sample.evict(buffer)
    lines_written = (buffer != before).reshape(-1, 64 // buffer.itemsize).any(axis=1)
    assert lines_written.all()


def test_a_clock_that_goes_backwards_during_a_sample_is_refused(clock):
    with pytest.raises(ClockError, match="went backwards by 500 ns"):
        sample.sample_ns(lambda: clock.spend(-500), (), 1, clock)
    with pytest.raises(ClockError, match="went backwards by 500 ns"):
        sample.sample_restored_ns(lambda: clock.spend(-500), (), [], 1, clock)


def test_a_clock_that_goes_backwards_does_not_warm_up_for_ever(clock):
    with pytest.raises(ClockError, match="went backwards"):
        sample.warm_up(lambda loops: clock.spend(-(10**9)), 0.1, clock)


@pytest.mark.parametrize("read_ns", [0, 30])
def test_the_overhead_of_the_loop_is_what_a_sample_has_beyond_the_clock(
    make_clock, monkeypatch, read_ns
):
    clock = make_clock(read_ns=read_ns)
    monkeypatch.setattr(sample, "_nothing", lambda: clock.spend(45))
    assert sample.loop_overhead_ns(clock) == 45


def test_one_pre_empted_reading_does_not_change_the_overhead(make_clock, monkeypatch):
    clock = make_clock()
    lasts = iter([10**7] + [45] * 2000)
    monkeypatch.setattr(sample, "_nothing", lambda: clock.spend(next(lasts)))
    assert sample.loop_overhead_ns(clock) == 45


def test_a_record_gets_resolution_and_both_overheads(make_clock):
    assert sample.describe_clock(make_clock(read_ns=30)) == {
        "resolution_ns": 30, "overhead_ns": 30.0, "loop_overhead_ns": 0.0,
    }  # fmt: skip
