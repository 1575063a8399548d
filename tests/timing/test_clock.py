import pytest

from accel.timing import clock as clocks


@pytest.mark.parametrize("tick_ns", [1, 100, 41_667, 15_625_000])
def test_resolution_is_one_tick_of_a_coarse_clock(make_clock, tick_ns):
    assert (
        clocks.resolution_ns(make_clock(read_ns=max(1, tick_ns // 50), tick_ns=tick_ns)) == tick_ns
    )


def test_resolution_is_the_cost_of_reading_where_that_is_all_a_clock_can_tell(make_clock):
    assert clocks.resolution_ns(make_clock(read_ns=37)) == 37


def test_resolution_is_the_smallest_step_not_the_first():
    readings = iter([0, 900, 1000, 1300, 2000, 2040, 3000, 3700])
    assert clocks.resolution_ns(lambda: next(readings), steps=4) == 40


def test_a_clock_that_stands_still_is_refused():
    with pytest.raises(RuntimeError, match="did not advance in 50 readings"):
        clocks.resolution_ns(lambda: 7, patience=50)


def test_a_clock_that_stops_after_some_steps_is_refused():
    readings = iter(range(5))
    with pytest.raises(RuntimeError, match="did not advance"):
        clocks.resolution_ns(lambda: next(readings, 5), patience=50)


@pytest.mark.parametrize("reads", [1, 10, 1000])
def test_overhead_is_what_one_reading_costs(make_clock, reads):
    assert clocks.overhead_ns(make_clock(read_ns=25), reads) == 25


def test_overhead_averages_over_a_clock_coarser_than_its_own_cost(make_clock):
    fine, coarse = make_clock(read_ns=40), make_clock(read_ns=40, tick_ns=1000)
    assert clocks.overhead_ns(coarse) == pytest.approx(clocks.overhead_ns(fine), abs=1)


@pytest.mark.parametrize("read", [clocks.resolution_ns, clocks.overhead_ns])
def test_a_clock_that_goes_backwards_is_refused(read):
    readings = iter(range(10**6, 0, -7))
    with pytest.raises(clocks.ClockError, match="went backwards by 7"):
        read(lambda: next(readings))


def test_the_clock_of_this_machine_advances_in_whole_nanoseconds():
    resolution = clocks.resolution_ns()
    assert isinstance(resolution, int) and resolution > 0
    assert clocks.overhead_ns() > 0
