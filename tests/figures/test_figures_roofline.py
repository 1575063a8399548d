"""The roofline: what is drawn, what is written beside it, and what is refused."""

from dataclasses import replace

import ceilings
import pytest
import synthetic
from drawings import only, texts_of

from accel import figures
from accel.figures import look
from accel.timing.records import Record
from accel.timing.roofs import RoofError

ROOFS = ceilings.roofs()
OPERATIONS = ceilings.operations()


def stripped(svg):
    return [text.strip() for text in texts_of(svg)]


@pytest.fixture
def picture(collected):
    """Return a function that draws a record and returns the picture, as in a build."""
    def draw(record=OPERATIONS, roofs=ROOFS, alt="Shown."):
        figures.roofline(record, roofs, alt=alt)
        return only(collected)

    return draw


@pytest.mark.parametrize("one", look.LOOKS, ids=lambda one: f"{one.palette.name}{one.narrow}")
def test_every_look_names_the_roofs_the_operations_and_the_instruments(picture, one):
    shown = stripped(picture().svg(one))
    assert {"relu", "gelu", "matmul", "interpreter", "NumPy", "compiled"} <= set(shown)
    assert any(text.startswith("peak") for text in shown)
    assert [text.split()[0] for text in shown if text.startswith(("L1", "L2", "L3", "memory"))] == [
        "L1", "L2", "L3", "memory",
    ]  # fmt: skip


def test_the_same_records_give_the_same_file_again(picture):
    drawn = picture()
    assert drawn.svg(look.LOOKS[0]) == drawn.svg(look.LOOKS[0])


def test_bandwidths_are_written_along_wide_slopes_and_left_out_on_narrow_ones(picture):
    wide, narrow = (stripped(picture().svg(one)) for one in look.LOOKS[:2])
    assert any(text.startswith("L2 120") for text in wide)
    assert "L2" in narrow and not any(text.startswith("L2 ") for text in narrow)


def test_close_slopes_keep_their_names_apart(picture):
    levels = ((2**15, 400.0), (2**20, 120.0), (2**25, 80.0), (2**28, 50.0))
    shown = stripped(picture(roofs=ceilings.roofs(levels=levels)).svg(look.LOOKS[0]))
    assert sum(text.startswith(("L2", "L3")) for text in shown) == 2


def test_alternative_text_gives_roofs_and_shares(picture):
    words = picture(alt="Kernels under roofs.").words
    assert words.startswith("Kernels under roofs. Roofs: peak ")
    assert "L1 400" in words and "memory 12.5" in words
    assert "relu at 0.125 FLOPs per byte: loop 0.2" in words
    assert "matmul at 42.7 FLOPs per byte: lists 0.04" in words


def test_points_of_an_unstable_run_are_hollow(picture):
    color = look.LIGHT.compiled
    stable = picture().svg(look.LOOKS[0])
    cases = [{**case, "stable": False} for case in OPERATIONS.data["cases"]]
    shaken = picture(Record({**OPERATIONS.data, "cases": cases})).svg(look.LOOKS[0])
    filled = f"fill: {color}; stroke: {color}"
    assert shaken.count(filled) < stable.count(filled)


def test_one_case_alone_is_drawn(picture):
    assert picture(ceilings.operations({("relu", "vector"): 0.5})).svg(look.LOOKS[1])


def test_a_figure_without_words_is_refused_by_name(picture):
    with pytest.raises(figures.FigureError, match="count_it.operations-roofline has no alt"):
        picture(alt=" ")


@pytest.mark.parametrize("missing", ["flops", "compulsory_bytes"])
def test_a_case_without_counts_is_refused_by_name(picture, missing):
    first, *rest = OPERATIONS.data["cases"]
    record = Record({**OPERATIONS.data, "cases": [{**first, missing: 0}, *rest]})
    with pytest.raises(figures.FigureError, match=r"relu at n=256.* a roofline needs both"):
        picture(record)


def test_a_point_above_its_roof_stops_the_page(picture):
    with pytest.raises(RoofError, match="relu.*kernel vector runs at 1.3"):
        picture(ceilings.operations({("relu", "vector"): 1.3}))


def test_roofs_of_two_machines_are_no_roofs():
    other = Record(synthetic.record("roofs.peak", ROOFS.peak.data["cases"], fingerprint="f" * 16))
    with pytest.raises(RoofError, match="is of machine"):
        replace(ROOFS, peak=other)
