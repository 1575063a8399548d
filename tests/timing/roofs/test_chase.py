"""Chases: every cycle visits each line once, calls go on where the last one stopped."""

import numpy as np
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from accel.timing.isolate import resolve
from accel.timing.records import CaseView
from accel.timing.roofs import chase, latency

LINES = (1, 2, 3, 127, 128, 129)


def arguments(lines, steps=0):
    return chase.walk(lines * chase.LINE_BYTES, steps)


@pytest.mark.parametrize("lines", LINES)
def test_the_cycle_visits_every_line_once_and_counts_them(lines):
    nodes, _, _ = arguments(lines)
    assert nodes.nbytes == lines * chase.LINE_BYTES
    place = chase.starts(nodes, 1)[0]
    visited = []
    for rank in range(lines):
        assert nodes[place + 1] == rank
        visited.append(int(place) // chase.WORDS)
        place = nodes[place]
    assert place == chase.starts(nodes, 1)[0]
    assert sorted(visited) == list(range(lines))


def test_the_same_footprint_gives_the_same_cycle_in_no_simple_order():
    first, second = arguments(1000)[0], arguments(1000)[0]
    assert np.array_equal(first, second)
    strides = np.diff(first[chase.starts(first, 1000)].astype(np.int64))
    assert len(np.unique(strides)) > 500


def test_nodes_lie_in_lines_of_their_own():
    assert arguments(3)[0].ctypes.data % chase.LINE_BYTES == 0


@pytest.mark.parametrize("footprint", [0, -64, 63, 100])
def test_a_footprint_that_is_no_number_of_lines_is_refused(footprint):
    with pytest.raises(ValueError, match=f"footprint is {footprint} bytes, expected a positive"):
        chase.walk(footprint, 1)


def test_steps_below_zero_are_refused():
    with pytest.raises(ValueError, match="steps is -1"):
        chase.walk(64, -1)


@pytest.mark.parametrize("chains", [1, 2, 3, 32])
def test_chains_begin_as_far_apart_as_the_cycle_allows(chains):
    nodes, _, _ = arguments(128)
    ranks = nodes[chase.starts(nodes, chains) + np.uint64(1)].astype(int)
    assert list(ranks) == [chain * 128 // chains for chain in range(chains)]


@given(lines=st.sampled_from(LINES), steps=st.integers(0, 300), calls=st.integers(1, 3))
def test_calls_go_on_where_the_last_one_stopped(lines, steps, calls):
    nodes, steps, out = arguments(lines, steps)
    own = chase.alone(nodes, steps, out)
    for call in range(1, calls + 1):
        chase.chase(*own)
        assert out[0] == chase.steps_forward(nodes, steps, out)[0][0]
        place = own[1][0]
        assert nodes[place + np.uint64(1)] == call * steps % lines


@pytest.mark.parametrize("chains", [1, 2, 8, 32])
@pytest.mark.parametrize("lines", LINES)
def test_chains_move_together_as_far_as_one_alone(lines, chains):
    nodes, steps, out = arguments(lines, 96)
    before = nodes.copy()
    own = chase.together(chains, nodes, steps, out)
    for _ in range(2):
        chase.chase_together(*own)
        assert out[0] == 96 % lines
    assert np.array_equal(nodes, before)


def test_the_ruler_answers_like_the_chase_and_keeps_its_place():
    nodes, steps, out = arguments(127, 1000)
    own = chase.alone(nodes, steps, out)
    chase.cycle_count(*own)
    assert out[0] == 1000 % 127
    assert own[1][0] == chase.starts(nodes, 1)[0]


def test_footprints_rise_by_octaves_or_parts_of_them_in_whole_lines():
    assert chase.footprints(32 * 1024, 1) == [4096, 8192, 16384, 32768]
    halves = chase.footprints(2**27, 2)
    assert len(halves) == 31 and halves[0] == 4096 and halves[-1] == 2**27
    assert all(size % chase.LINE_BYTES == 0 for size in halves)


@pytest.mark.parametrize(("largest", "per_octave"), [(4095, 2), (2**20, 0)])
def test_footprints_that_cannot_be_are_refused(largest, per_octave):
    with pytest.raises(ValueError, match="no footprints"):
        chase.footprints(largest, per_octave)


@pytest.mark.parametrize(
    ("sizes", "far"),
    [([2**15, 2**20, 2**23], 2**25), ([2**28], 2**27), ([], 2**27), ([None], 2**27)],
)
def test_far_is_four_times_the_last_cache_or_the_limit(sizes, far):
    facts = {"caches": [{"size_bytes": size} for size in sizes]}
    assert chase.far_footprint(facts) == far


def test_far_is_the_limit_where_the_system_names_no_caches():
    assert chase.far_footprint({"caches": None}) == chase.LARGEST


@pytest.mark.parametrize("make", [chase.latency_cases, chase.chain_cases])
def test_every_case_names_functions_that_a_worker_finds_and_gives_the_right_answer(make):
    cases = make()
    assert [case.parameters["footprint"] for case in cases] == sorted(
        case.parameters["footprint"] for case in cases
    )
    case = cases[0]
    small = resolve(case.inputs)(128 * 64, case.parameters["steps"])
    expected, tolerance = resolve(case.oracle)(*small)
    for kernel in case.kernels.values():
        own = resolve(kernel["adapt"])(*small)
        resolve(kernel["target"])(*own)
        assert own[-1] is small[-1]
        assert abs(own[-1] - expected) <= tolerance
        small[-1][:] = -1


def test_steps_divide_among_all_chains():
    assert all(chase.STEPS_FAR % chains == 0 for chains in chase.CHAINS)
    assert all(chase.STEPS_NEAR % chains == 0 for chains in chase.CHAINS)


def staircase_case(chase_ns, ruler_ns, steps=1000):
    return CaseView(
        synthetic.case(
            {"cycle_count": ruler_ns * steps, "chase": chase_ns * steps},
            baseline="chase", operation="chase", footprint=4096, steps=steps,
        )
    )  # fmt: skip


def test_an_access_takes_the_time_of_a_call_over_its_steps():
    interval = latency.access_ns(staircase_case(4.0, 2.0))
    assert interval.value == pytest.approx(4.0, rel=0.02)
    assert interval.low <= interval.value <= interval.high
    assert interval.coverage == pytest.approx(0.96875)


def test_cycles_are_the_ratio_to_the_ruler_times_its_cycles():
    cycles = latency.access_cycles(staircase_case(4.0, 2.0), "x86_64")
    assert cycles.value == pytest.approx(12, rel=0.02)
    slower_clock = latency.access_cycles(staircase_case(8.0, 4.0), "x86_64")
    assert slower_clock.value == pytest.approx(12, rel=0.02)


def test_without_a_known_ruler_there_are_no_cycles():
    assert latency.access_cycles(staircase_case(4.0, 2.0), "arm64") is None


def test_the_overlap_is_the_gain_over_one_chain():
    times = {"chains_1": 96e3, "chains_12": 8.4e3, "chains_2": 48e3}
    case = CaseView(synthetic.case(times, baseline="chains_1", footprint=2**27, steps=960))
    assert latency.chain_counts(case) == [1, 2, 12]
    assert latency.overlap(case, 2).value == pytest.approx(2, rel=0.02)
    assert latency.overlap(case, 12).value == pytest.approx(11.4, rel=0.02)
    assert latency.access_ns(case, "chains_12").value == pytest.approx(8.75, rel=0.02)
