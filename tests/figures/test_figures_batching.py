"""The figure of throughput names every batch, and its words have all the numbers."""

import pytest
import synthetic
from drawings import only, text_of

from accel import figures
from accel.figures import FigureError
from accel.figures.look import LIGHT, Look
from accel.timing.records import Record


def record():
    cases = [
        synthetic.case({"tiled": time}, flops=1000 * m, jitter=0.001, m=m)
        for m, time in {1: 1e6, 8: 1e6, 64: 8e6}.items()
    ]
    return Record(synthetic.record("gather.batch", cases))


@pytest.mark.parametrize("narrow", [False, True])
def test_every_batch_is_named(collected, narrow):
    figures.throughput(record(), "tiled", alt="Batches.")
    text = text_of(only(collected).svg(Look(LIGHT, narrow)))
    assert {"1", "8", "64"} <= set(text.split()) and "requests per second" in text


def test_words_have_time_and_throughput_of_each_batch():
    words = figures.describe_throughput(record(), "tiled")
    assert "8: 1.00\xa0ms, 8,000 per second" in words


def test_a_kernel_that_was_not_measured_is_an_error():
    with pytest.raises(FigureError, match="no case has kernel 'blas'"):
        figures.throughput(record(), "blas", alt="Batches.")
