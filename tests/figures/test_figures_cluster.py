"""Figures of a cluster tell what was measured from what is modelled."""

import pytest
import synthetic
from drawings import only, text_of

from accel.figures import FigureError
from accel.figures.cluster import (
    allreduce,
    describe_allreduce,
    describe_scaling_curve,
    scaling_curve,
)
from accel.figures.look import LIGHT, Look
from accel.findings.cluster import Link, Model
from accel.timing.records import Record

MODEL = Model(4e6, 0.8, 0.01)
LINK = Link(10_000, 0.1)
WORKERS = (1, 2, 4, 64)


def work_of(m, k, n, workers, **_):
    return {"rounds": 1, "moved_bytes": 4 * m * n, "flops": 2 * m * k * n, "workers": workers}


def record():
    cases = [
        synthetic.case({"cluster": time, "tiled_threads": 1e6}, m=100 * p, k=k, n=k, workers=p)
        for k, time in ((64, 5e6), (1024, 5e7))
        for p in (1, 2)
    ]
    return Record(synthetic.record("beyond.cluster", cases))


@pytest.mark.parametrize("narrow", [False, True])
def test_scaling_names_every_shape_and_says_what_is_modelled(collected, narrow):
    scaling_curve(record(), "cluster", MODEL, work_of, WORKERS, alt="Time by workers.")
    text = text_of(only(collected).svg(Look(LIGHT, narrow)))
    assert "64 × 64" in text and "1,024 × 1,024" in text
    assert "points measured, dashes modelled" in text


def test_words_of_scaling_have_what_was_measured_and_the_models_last():
    words = describe_scaling_curve(record(), "cluster", MODEL, work_of, WORKERS)
    modelled = MODEL.round_ns + MODEL.byte_ns * 4 * 6400 * 64 + MODEL.flop_ns * 2 * 100 * 64 * 64
    assert "64 × 64: measured 5." in words or "64 × 64: measured 4." in words
    assert f"modelled {modelled / 1e6:.2f}\xa0ms on 64 workers" in words


def test_scaling_of_a_kernel_that_was_not_measured_is_an_error():
    with pytest.raises(FigureError, match="no case has kernel 'spark'"):
        scaling_curve(record(), "spark", MODEL, work_of, WORKERS, alt="Time by workers.")


@pytest.mark.parametrize("narrow", [False, True])
def test_allreduce_names_both_and_the_crossover(collected, narrow):
    allreduce(LINK, 16, [1e3, 1e6, 1e9], name="beyond.allreduce", alt="Ring and tree.")
    text = text_of(only(collected).svg(Look(LIGHT, narrow)))
    assert {"ring", "tree"} <= set(text.split()) and "a model" in text
    assert "359\xa0kB" in text  # 100 kB * 11 / (4 - 15 / 16)


def test_words_of_allreduce_have_both_ends_and_the_crossover():
    words = describe_allreduce(LINK, 16, [1e3, 1e9])
    assert "cross at 359\xa0kB" in words and "for 1.00\xa0GB" in words
    assert "never slower" in describe_allreduce(LINK, 2, [1e3, 1e9])


def test_allreduce_of_one_worker_is_an_error():
    with pytest.raises(FigureError, match="expected 2 sizes and 2 workers"):
        allreduce(LINK, 1, [1e3, 1e9], name="beyond.allreduce", alt="Ring and tree.")


def test_a_figure_needs_words():
    with pytest.raises(FigureError, match="alt"):
        allreduce(LINK, 4, [1e3, 1e9], name="beyond.allreduce", alt=" ")
