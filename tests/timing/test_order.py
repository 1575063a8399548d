from collections import Counter
from itertools import pairwise

import pytest

from accel.timing import order

COUNTS = range(1, 14)


@pytest.mark.parametrize("count", COUNTS)
def test_each_row_gives_every_competitor_one_turn(count):
    assert all(sorted(row) == list(range(count)) for row in order.williams(count))


@pytest.mark.parametrize("count", COUNTS)
def test_every_competitor_takes_every_position_equally_often(count):
    rows = order.williams(count)
    places = Counter((turn, place) for row in rows for place, turn in enumerate(row))
    assert len(places) == count * count
    assert len(set(places.values())) == 1


@pytest.mark.parametrize("count", COUNTS)
def test_every_competitor_follows_every_other_equally_often(count):
    followers = Counter(pair for row in order.williams(count) for pair in pairwise(row))
    assert set(followers) == {(a, b) for a in range(count) for b in range(count) if a != b}
    assert len(set(followers.values())) <= 1


@pytest.mark.parametrize("count", COUNTS)
def test_the_design_is_the_smallest_there_is(count):
    assert len(order.williams(count)) == (count if count % 2 == 0 else 2 * count)


@pytest.mark.parametrize("count", [0, -3])
def test_a_design_without_competitors_is_refused(count):
    with pytest.raises(ValueError, match=f"at least one competitor, got {count}"):
        order.williams(count)


@pytest.mark.parametrize("name", order.ORDERS)
@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("rounds", [0, 1, 3, 13])
def test_everyone_gets_the_same_number_of_turns(name, count, rounds):
    turns = Counter(order.schedule(name, count, rounds, offset=4))
    assert turns == Counter({competitor: rounds for competitor in range(count) if rounds})


@pytest.mark.parametrize("count", [2, 3, 5, 12, 13])
@pytest.mark.parametrize("rounds", [3, 5])
def test_processes_too_short_for_the_design_complete_it_together(count, rounds):
    rows = len(order.williams(count))
    played = Counter()
    for process in range(rows):
        turns = order.schedule("williams", count, rounds, offset=process * rounds)
        played.update(tuple(turns[i : i + count]) for i in range(0, len(turns), count))
    assert played == Counter({tuple(row): n * rounds for row, n in _distinct(count).items()})


def _distinct(count):
    return Counter(tuple(row) for row in order.williams(count))


def test_each_round_of_an_interleaved_schedule_has_everyone_once():
    turns = order.schedule("williams", 4, 6, offset=2)
    assert all(sorted(turns[i : i + 4]) == [0, 1, 2, 3] for i in range(0, 24, 4))


def test_sequential_runs_each_to_completion():
    assert order.schedule("sequential", 3, 2) == [0, 0, 1, 1, 2, 2]


def test_an_unknown_order_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'williams', 'sequential'.*'random'"):
        order.schedule("random", 2, 2)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("designs", [1, 2, 3])
def test_the_first_turn_moves_on_where_each_process_runs_whole_designs(count, designs):
    rows = order.williams(count)
    rounds = designs * len(rows)
    firsts = [
        order.schedule("williams", count, rounds, order.first_row(count, rounds, process))[0]
        for process in range(len(rows))
    ]
    assert sorted(firsts) == sorted(row[0] for row in rows)


@pytest.mark.parametrize(("count", "rounds", "processes"), [(3, 4, 3), (3, 1, 6), (4, 3, 4)])
def test_short_processes_still_complete_the_design_together(count, rounds, processes):
    rows = order.williams(count)
    run = [
        row % len(rows)
        for process in range(processes)
        for first in [order.first_row(count, rounds, process)]
        for row in range(first, first + rounds)
    ]
    assert {run.count(row) for row in range(len(rows))} == {len(run) // len(rows)}
