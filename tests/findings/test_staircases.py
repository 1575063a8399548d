"""The exercise on the second cache: its start fails, an answer passes, nonsense is named."""

import math

import pytest
import synthetic_roofs

from accel.findings import staircases
from accel.timing.records import Record
from accel.timing.roofs import levels

RECORD = Record(synthetic_roofs.latency())


def starter(footprints, values):
    """As the page prints it."""
    fast = [f for f, v in zip(footprints, values, strict=True) if v < 2 * values[0]]
    return fast[-1]


def answer(footprints, values):
    return levels.find(footprints, values)[1].capacity_bytes.value


def test_the_start_finds_the_wrong_cache_everywhere():
    complaints = staircases.check_l2(starter, RECORD)
    assert len(complaints) == len(staircases.MACHINES) + 1
    assert complaints[-1].replace("\N{NO-BREAK SPACE}", " ") == (
        "the machine of the record: found 32 KiB, expected within a factor of two of 1 MiB"
    )


def test_the_second_level_passes():
    assert staircases.check_l2(answer, RECORD) == []
    assert staircases.check_l2(answer) == []


def test_a_record_whose_system_states_no_l2_asks_nothing():
    silent = Record({**RECORD.data, "machine": {**RECORD.machine, "caches": None}})
    assert len(staircases.check_l2(starter, silent)) == len(staircases.MACHINES)


@pytest.mark.parametrize("nonsense", [0, -1.0, math.inf, math.nan])
def test_nonsense_is_a_complaint_not_a_crash(nonsense):
    complaints = staircases.check_l2(lambda footprints, values: nonsense)
    assert len(complaints) == len(staircases.MACHINES)
    assert f"found {nonsense} bytes" in complaints[0]


def test_a_constant_does_not_pass_by_luck():
    assert staircases.check_l2(lambda footprints, values: 2**20)
