"""Sentences on register tiles say what the data say, also when it is the contrary."""

import pytest
import synthetic

from accel.findings import registers
from accel.findings.registers import Shape
from accel.timing.records import CaseView
from accel.timing.stats import Interval

FLOPS = 10**6
PEAK = Interval(100.0, 99.0, 101.0, 0.97)


def view(stable=True, **rates):
    """A case whose kernels run at these GFLOP/s."""
    times = {name: FLOPS / rate for name, rate in rates.items()}
    raw = synthetic.case(times, operation="panels", flops=FLOPS, jitter=0.002)
    if not stable:
        raw |= {"stable": False, "reasons": ["stolen time"]}
    return CaseView(raw)


@pytest.mark.parametrize(
    ("shape", "accumulators", "needed", "loads"),
    [(Shape(1, 1), 1, 3, 2.0), (Shape(8, 2), 16, 19, 10 / 16), (Shape(24, 1), 24, 26, 25 / 24)],
)
def test_what_a_shape_asks_for_is_counted(shape, accumulators, needed, loads):
    assert shape.accumulators == accumulators
    assert shape.registers == needed
    assert shape.loads == pytest.approx(loads)


def test_a_shape_is_read_from_a_kernels_name_and_from_no_other():
    assert registers.shape_of("tile_12x4") == Shape(12, 4)
    with pytest.raises(ValueError, match="named like tile_8x2, got 'packed_8x2'"):
        registers.shape_of("packed_8x2")


def test_tiles_are_put_in_order_and_other_kernels_left_out():
    case = view(tile_8x2=9, packed_8x2=5, tile_1x1=1, memory=2)
    assert registers.tiles_of(case) == ["tile_1x1", "tile_8x2"]


@pytest.mark.parametrize(
    ("machine", "count"),
    [
        ({"architecture": "x86_64", "vector_bits": 512}, 32),
        ({"architecture": "x86_64", "vector_bits": 256}, 16),
        ({"architecture": "AMD64", "vector_bits": None}, 16),
        ({"architecture": "arm64"}, 32),
        ({"architecture": "riscv64"}, None),
    ],
)
def test_registers_are_those_of_the_architecture(machine, count):
    assert registers.vector_registers(machine) == count


def test_prediction_grows_with_the_sums_and_ends_at_the_peak():
    shares = [registers.predicted_share(Shape(rows, 1), 8) for rows in (1, 4, 8, 16)]
    assert shares == [0.125, 0.5, 1.0, 1.0]


def test_the_table_says_what_fits():
    table = registers.shapes_table(["tile_2x1", "tile_12x4"], 8, 32)
    assert [row[4] for row in table.rows] == ["yes", "no"]
    assert [row[5] for row in table.rows] == ["25.0 %", "100 %"]
    assert registers.shapes_table(["tile_2x1"], 8, None).rows[0][4] == "–"


@pytest.mark.parametrize(
    ("single", "words"),
    [(12.5, "as predicted (8)"), (25.0, "fewer than the 8"), (5.0, "more than the 8")],
)
def test_how_many_are_under_way_is_judged_against_the_guess(single, words):
    assert words in registers.under_way_sentence(view(tile_1x1=single, tile_8x2=98), PEAK, 8)


def test_nothing_is_judged_in_an_unstable_run():
    case = view(stable=False, tile_1x1=25, tile_8x2=98, memory=10)
    for sentence in (
        registers.under_way_sentence(case, PEAK, 8),
        registers.best_sentence(case),
        registers.memory_sentence(case, "memory", "tile_8x2"),
    ):
        assert "unstable" in sentence and "stolen time" in sentence


def test_the_best_shape_is_named_alone_only_where_it_is_separated():
    assert "The fastest shape is 6 × 2" in registers.best_sentence(view(tile_6x2=99, tile_8x2=80))
    together = registers.best_sentence(view(tile_6x2=99, tile_8x2=99.01, tile_1x1=20))
    assert "not separated from each other, are 6 × 2 and 8 × 2" in together


def test_tiles_that_do_not_fit_are_compared_with_the_largest_that_does():
    lost = registers.spill_sentence(view(tile_8x2=99, tile_12x2=98, tile_12x4=50), 32)
    assert "12 × 4 (53 registers) runs at 0.51" in lost and "stored and loaded again" in lost
    kept = registers.spill_sentence(view(tile_8x2=99, tile_12x4=120), 32)
    assert "Not all of these lose" in kept


def test_where_all_or_none_fit_there_is_nothing_to_compare():
    assert "need at most 32" in registers.spill_sentence(view(tile_8x2=99), 32)
    assert "need more than 16" in registers.spill_sentence(view(tile_8x2=99), 16)
    assert "not known" in registers.spill_sentence(view(tile_8x2=99), None)


@pytest.mark.parametrize(
    ("tile", "words"), [(100, "with the sums in registers"), (9.99, "gain nothing here")]
)
def test_registers_are_praised_only_where_they_gain(tile, words):
    case = view(tile_8x2=tile, memory=10)
    assert words in registers.memory_sentence(case, "memory", "tile_8x2")
