import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing import noise, order, paired
from accel.timing.stats import SampleError

PROCESSES = 6

times = st.floats(1e-3, 1e12)
samples = st.lists(st.lists(times, min_size=3, max_size=3), min_size=6, max_size=9)


def under_drift(name, true_ns, rounds, drift):
    """Per-call times of competitors on a machine that slows down by `drift` in each process.

    No noise: what the order of turns leaves of the drift is all that remains.
    """
    taken = [[[] for _ in range(PROCESSES)] for _ in true_ns]
    for process in range(PROCESSES):
        turns = order.schedule(name, len(true_ns), rounds, offset=process * rounds)
        for moment, competitor in enumerate(turns):
            weather = 1 + drift * moment / len(turns)
            taken[competitor][process].append(true_ns[competitor] * weather)
    return taken


def test_a_kernel_twice_as_fast_has_a_speed_up_of_two():
    over = [[4.0, 6.0, 8.0]] * PROCESSES
    kernel = [[2.0, 3.0, 4.0]] * PROCESSES
    assert paired.speedup(kernel, over) == pytest.approx((2.0, 2.0, 2.0, 0.96875))


@pytest.mark.parametrize("drift", [0.2, -0.2, 1.0])
def test_drift_that_hits_both_cancels_in_interleaved_order(drift):
    a, b, again = under_drift("williams", [100.0, 100.0, 100.0], 12, drift)
    assert paired.speedup(b, over=a).value == pytest.approx(1, abs=abs(drift) / 100)
    assert noise.complaints(paired.speedup(again, over=a), None, None) == []


def test_the_same_drift_is_read_as_speed_in_sequential_order():
    a, b, again = under_drift("sequential", [100.0, 100.0, 100.0], 12, 0.2)
    fooled = paired.speedup(b, over=a)
    assert fooled.excludes(1)
    assert abs(math.log(fooled.value)) > 0.05


def test_the_second_entry_of_the_baseline_gives_sequential_order_away():
    a, b, again = under_drift("sequential", [100.0, 100.0, 100.0], 12, 0.2)
    resolution = paired.speedup(again, over=a)
    stable = not noise.complaints(resolution, None, None)
    assert not stable
    assert noise.verdict(paired.speedup(b, over=a), resolution, stable) == "unstable"


@pytest.mark.parametrize("slower_by", [0.97, 1.03, 1.5])
def test_a_true_difference_survives_the_drift(slower_by):
    a, b = under_drift("williams", [100.0, 100.0 * slower_by], 12, 0.2)
    assert paired.speedup(b, over=a).value == pytest.approx(1 / slower_by, rel=0.005)


def test_one_pre_empted_sample_in_each_process_changes_nothing():
    over = [[100.0] * 9] * PROCESSES
    kernel = [[100.0] * 8 + [1e7]] * PROCESSES
    assert paired.speedup(kernel, over) == pytest.approx((1, 1, 1, 0.96875))


def test_a_process_counts_once_however_many_rounds_it_has():
    """Five rounds or five hundred: one process is one draw."""
    few = paired.speedup([[1.0] * 5] * 6, [[2.0] * 5] * 6)
    many = paired.speedup([[1.0] * 500] * 6, [[2.0] * 500] * 6)
    assert few == many


def test_what_a_process_is_born_with_widens_the_interval():
    """Layout effects of 20 % between processes, no noise at all within one."""
    layout = [0.9, 0.95, 1.0, 1.02, 1.05, 1.1]
    interval = paired.speedup([[100.0 * factor] * 50 for factor in layout], [[100.0] * 50] * 6)
    assert (interval.low, interval.high) == pytest.approx((1 / 1.1, 1 / 0.9))


@given(samples)
def test_a_kernel_against_itself_is_exactly_one(taken):
    assert paired.speedup(taken, taken)[:3] == (1.0, 1.0, 1.0)


@given(samples, st.data())
def test_swapping_sides_inverts_the_ratio(kernel, data):
    over = data.draw(
        st.lists(
            st.lists(times, min_size=3, max_size=3), min_size=len(kernel), max_size=len(kernel)
        )
    )
    there, back = paired.speedup(kernel, over), paired.speedup(over, kernel)
    assert (1 / back.value, 1 / back.high, 1 / back.low) == pytest.approx(there[:3])


@given(samples, st.floats(1e-3, 1e3))
def test_the_unit_of_time_does_not_matter(kernel, unit):
    over = [[2 * time for time in rounds] for rounds in kernel]
    scaled = [[unit * time for time in rounds] for rounds in (*kernel, *over)]
    count = len(kernel)
    assert paired.speedup(scaled[:count], scaled[count:]) == pytest.approx(
        paired.speedup(kernel, over)
    )


@pytest.mark.parametrize(
    ("kernel", "over"),
    [
        ([[1.0, 2.0]], [[1.0]]),
        ([[1.0]], [[1.0], [1.0]]),
        ([[1.0], [1.0, 2.0]], [[1.0, 2.0], [1.0]]),
    ],
)
def test_samples_that_do_not_pair_up_are_refused(kernel, over):
    with pytest.raises(ValueError, match="same processes and rounds"):
        paired.speedup(kernel, over)


@pytest.mark.parametrize("zero", [0, -5])
@pytest.mark.parametrize("side", [0, 1])
def test_a_time_that_is_not_positive_is_refused(zero, side):
    sides = [[[1.0, 1.0]], [[1.0, 1.0]]]
    sides[side][0][1] = zero
    with pytest.raises(ValueError, match="too short for the clock"):
        paired.speedup(*sides)


def test_the_time_of_a_call_is_the_median_over_processes_of_their_medians():
    medians = [2.0, 4.0, 3.0, 6.0, 2.5, 5.0]
    taken = [[median / 2, median, 1e9] for median in medians]
    assert paired.time_ns(taken) == (3.5, 2.0, 6.0, 0.96875)


@pytest.mark.parametrize("processes", [1, 5])
def test_too_few_processes_support_neither_a_time_nor_a_ratio(processes):
    taken = [[1.0, 2.0]] * processes
    for conclude in (lambda: paired.time_ns(taken), lambda: paired.speedup(taken, taken)):
        with pytest.raises(SampleError, match=f"^{processes} process.* measure at least 6"):
            conclude()


@pytest.mark.parametrize(
    ("taken", "complaint"),
    [
        ([], "no process: expected samples of at least one"),
        ([[1.0], []], "process 1 has no samples"),
        ([[1.0, 0.0]], "process 0, sample 1 is 0.0 ns, expected a positive time"),
        ([[1.0], [-3.0]], "process 1, sample 0 is -3.0 ns"),
        ([[math.nan]], "process 0, sample 0 is nan ns"),
        ([[math.inf]], "process 0, sample 0 is inf ns"),
    ],
)
def test_samples_that_are_no_times_are_refused_by_place(taken, complaint):
    with pytest.raises(SampleError, match=f"^{complaint}"):
        paired.time_ns(taken)
    with pytest.raises(SampleError, match=f"^{complaint}"):
        paired.speedup([[1.0] * len(rounds) for rounds in taken], taken)


def test_intervals_over_processes_hold_the_truth_as_often_as_they_say():
    """Simulated experiments with layout effects, skewed noise, and a true ratio of 1.1."""
    generator = np.random.default_rng(4)
    trials, rounds = 1500, 5
    layout = generator.normal(0, 0.05, (2, trials, PROCESSES, 1))
    jitter = generator.gamma(1, 0.03, (2, trials, PROCESSES, rounds))
    both = np.exp(layout + jitter) * np.array([100.0, 110.0]).reshape(2, 1, 1, 1)
    held = sum(
        not paired.speedup(kernel, over).excludes(1.1)
        for kernel, over in zip(both[0].tolist(), both[1].tolist(), strict=True)
    )
    assert held / trials >= 0.96875 - 3 * math.sqrt(0.96875 * 0.03125 / trials)
