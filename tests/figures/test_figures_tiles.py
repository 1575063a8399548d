"""The figure of register tiles: every shape named, the peak drawn, words for all of it."""

import pytest
import synthetic
from drawings import only, text_of

from accel import figures
from accel.figures import FigureError
from accel.figures.look import LIGHT, Look
from accel.timing.records import Record
from accel.timing.stats import Interval

PEAK = Interval(100.0, 99.0, 101.0, 0.97)
RATES = {"memory": 12, "tile_1x1": 30, "tile_4x2": 98, "tile_8x2": 99, "tile_12x4": 60}


def record(rates=RATES):
    times = {name: 10**6 / rate for name, rate in rates.items()}
    case = synthetic.case(times, operation="panels", flops=10**6, k=64, baseline="tile_8x2"
                          if "tile_8x2" in rates else None)  # fmt: skip
    return Record(synthetic.record("registers.tiles", [case]))


@pytest.mark.parametrize("narrow", [False, True])
def test_every_tile_is_named_and_nothing_else(collected, narrow):
    figures.tiles(record(), alt="Tiles.", peak=PEAK, registers=32)
    text = text_of(only(collected).svg(Look(LIGHT, narrow)))
    for name in ("1 × 1", "4 × 2", "8 × 2", "12 × 4", "measured peak"):
        assert name in text
    assert "memory" not in text


def test_words_give_each_rate_and_say_what_does_not_fit():
    words = figures.describe_tiles(record(), peak=PEAK, registers=32)
    assert "12 × 4 59.9, too many registers" in words and "too many registers" in words
    assert words.count("too many registers") == 1
    assert "too many" not in figures.describe_tiles(record(), peak=PEAK, registers=None)


def test_without_a_single_sum_there_is_no_model_to_draw():
    with pytest.raises(FigureError, match="no kernel tile_1x1 in this case; there are tile_8x2"):
        figures.tiles(record({"tile_8x2": 99}), alt="Tiles.", peak=PEAK, registers=32)
