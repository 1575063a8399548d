"""The figure of shares names every case with its roof, and its words have all the numbers."""

import pytest
import synthetic
import synthetic_roofs
from drawings import only, text_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from accel import figures
from accel.figures import FigureError
from accel.figures.look import LIGHT, Look
from accel.timing.records import Record

ROOFS = synthetic_roofs.roofs()


def record(name="accel"):
    relu = synthetic.case({name: 1e3}, operation="relu", flops=2**13, n=2**13, dtype="float32")
    product = synthetic.case({name: 2e7}, operation="matmul", flops=2**31, n=1024, dtype="float32")
    return Record(synthetic.record("limit.ours", [
        {**relu, "compulsory_bytes": 2**16}, {**product, "compulsory_bytes": 3 * 2**22},
    ]))  # fmt: skip


@pytest.mark.parametrize("narrow", [False, True])
def test_every_case_is_named_with_its_roof_and_share(collected, narrow):
    figures.shares(record(), ROOFS, alt="Shares.")
    text = text_of(only(collected).svg(Look(LIGHT, narrow)))
    assert "relu, memory" in text and "matmul, arith" in text and "share of the measured" in text


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("operation", ["embedding", "conv2d_nhwc", "transpose", "layernorm"])
def test_no_name_is_cut_off(collected, operation, narrow):
    one = synthetic.case({"accel": 1e7}, operation=operation, flops=2**20, n=2**20, dtype="float32")
    kept = Record(synthetic.record("limit.ours", [{**one, "compulsory_bytes": 2**23}]))
    figures.shares(kept, ROOFS, alt="Shares.")
    picture, look = only(collected), Look(LIGHT, narrow)
    figure = Figure(picture.size_in(look))
    picture.draw(figure, look)
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())  # in inches
    assert box.x0 >= 0 and box.x1 <= picture.size_in(look)[0]


def test_words_have_every_share_and_its_roof():
    words = figures.describe_shares(record(), ROOFS)
    assert "relu at n 8192 " in words and "(memory)" in words and "(arithmetic)" in words


def test_a_record_of_something_else_is_an_error():
    with pytest.raises(FigureError, match="no case has a kernel 'accel'"):
        figures.shares(record("tiled"), ROOFS, alt="Shares.")
