"""What is said about kernels under roofs, also when it is the contrary."""

from types import SimpleNamespace

import ceilings
import pytest
import synthetic

from accel.findings import roofline
from accel.timing.records import Record

ROOFS = ceilings.roofs()


def test_ceilings_are_the_levels_found_from_the_curve_nearest_first():
    found = roofline.ceilings(ROOFS)
    assert [level.name for level in found] == ["L1", "L2", "L3", "memory"]
    speeds = [level.bandwidth.value for level in found]
    assert speeds == pytest.approx([400, 120, 50, 12.5], rel=0.02)


def test_ridge_is_where_both_roofs_are_equally_high():
    near, *_, far = roofline.ceilings(ROOFS)
    assert roofline.ridge(ROOFS, near) == pytest.approx(100 / 400, rel=0.02)
    assert roofline.ridge(ROOFS, far) == pytest.approx(100 / 12.5, rel=0.02)
    assert roofline.ridge(ROOFS, far, "float64") == pytest.approx(50 / 12.5, rel=0.02)


def test_limit_sentence_names_the_lower_roof_of_each_operation():
    assert roofline.limit_sentence(ceilings.operations(), ROOFS) == (
        "With data of these sizes the lower roof is memory for relu and arithmetic for gelu "
        "and matmul."
    )


def test_limit_sentence_leaves_open_what_the_intervals_leave_open():
    even = ceilings.roofs(peak_gflops=120.0)  # gelu: one FLOP per byte, 120 GB/s
    record = ceilings.operations({("gelu", "numpy"): 0.1})
    assert roofline.limit_sentence(record, even) == (
        "With data of these sizes the lower roof is not to be told for gelu."
    )


def test_claim_is_judged_with_operands_in_main_memory():
    said = roofline.claim_sentence(ceilings.operations(), ROOFS)
    assert said.startswith("“Modern CPU performance is dominated by memory access patterns")
    assert said.endswith("that is true of relu and gelu and false of matmul.")


@pytest.mark.parametrize(
    ("peak_gflops", "end"),
    [(10_000.0, "that is true of relu, gelu and matmul."),
     (0.5, "that is false of relu, gelu and matmul."),
     (12.5, "that is true of relu, false of matmul and open for gelu.")],
)  # fmt: skip
def test_on_another_machine_the_claim_is_judged_otherwise(peak_gflops, end):
    roofs = ceilings.roofs(peak_gflops=peak_gflops)
    assert roofline.claim_sentence(ceilings.operations(), roofs).endswith(end)


def test_reach_sentence_tells_operations_near_their_roof_from_others():
    said = roofline.reach_sentence(ceilings.operations(), ROOFS)
    near, far = said.split("; it ")
    assert near.startswith("The fastest kernel measured reaches half of the roof for relu (")
    assert "matmul (`blas`" in near
    assert far.startswith("does not reach half of the roof for gelu (`numpy`")


def test_reach_sentence_decides_nothing_at_the_border():
    said = roofline.reach_sentence(ceilings.operations({("relu", "vector"): 0.5}), ROOFS)
    assert said.startswith("The fastest kernel measured may or may not reach half of the roof")


def test_reach_sentence_without_a_good_kernel_praises_nothing():
    said = roofline.reach_sentence(ceilings.operations({("relu", "loop"): 0.1}), ROOFS)
    assert said.startswith("The fastest kernel measured does not reach half of the roof for relu")


def test_instrument_sentence_gives_both_ends():
    said = roofline.instrument_sentence(ceilings.operations(), ROOFS, "interpreter")
    assert said.startswith("The 3 kernels of the instrument “interpreter” reach between 0.04")
    assert said.index("(matmul, `lists`)") < said.index("(relu, `loop`)")


def test_instrument_sentence_follows_loops_that_are_near_the_roof():
    record = ceilings.operations({("relu", "loop"): 0.9})
    said = roofline.instrument_sentence(record, ROOFS, "interpreter")
    assert said.startswith("The one kernel of the instrument “interpreter” reaches 9")


def test_instrument_sentence_refuses_an_instrument_that_was_not_measured():
    record = ceilings.operations({("relu", "loop"): 0.9})
    with pytest.raises(ValueError, match="no kernel of instrument 'compiled'"):
        roofline.instrument_sentence(record, ROOFS, "compiled")


def test_allocation_sentence_lists_what_is_large_beside_the_operands():
    record = ceilings.operations(allocated={("gelu", "numpy"): 196_608, ("relu", "loop"): 500})
    assert roofline.allocation_sentence(record) == (
        "5 of 6 kernels allocate less than 25\N{NO-BREAK SPACE}% of the bytes they must touch; "
        "`numpy` of gelu 192\N{NO-BREAK SPACE}KiB, 1.50 times its compulsory bytes."
    )


def test_allocation_sentence_without_large_ones_lists_none():
    said = roofline.allocation_sentence(ceilings.operations())
    assert said == "6 of 6 kernels allocate less than 25\N{NO-BREAK SPACE}% of the bytes they must touch."


def test_table_has_a_row_for_each_kernel_with_its_share_as_an_interval():
    table = roofline.roof_table(ceilings.operations(), ROOFS)
    assert [row[1] for row in table.rows] == [
        "`loop`", "`vector`", "`loop`", "`numpy`", "`lists`", "`blas`",
    ]  # fmt: skip
    relu = table.rows[1]
    assert relu[0] == "relu" and relu[3] == "0\N{NO-BREAK SPACE}B" and relu[-1] == "memory"
    assert "–" in relu[5] and relu[5].endswith("%)")


def test_table_shows_where_nobody_counted_allocations():
    record = ceilings.operations(allocated={("relu", "loop"): None})
    assert roofline.roof_table(record, ROOFS).rows[0][3] == "–"
    assert "5 of 5 kernels" in roofline.allocation_sentence(record)


@pytest.mark.parametrize(
    ("flops", "nbytes", "words"),
    [(131_072, 131_072, "1.00× the declared FLOPs, and reads and writes 1.00×"),
     (262_144, 1_310_720, "2.00× the declared FLOPs, and reads and writes 10.0×"),
     (0, 65_536, "0× the declared FLOPs, and reads and writes 0.500×")],
)  # fmt: skip
def test_counted_sentence_compares_a_run_with_what_is_declared(flops, nbytes, words):
    (gelu,) = ceilings.operations({("gelu", "numpy"): 0.1}).cases
    seen = SimpleNamespace(flops=flops, total_bytes=nbytes)
    said = roofline.counted_sentence(gelu, "numpy", seen)
    assert said == f"`numpy` of gelu at n=256, dtype=float32 does {words} the compulsory bytes."


def names(*parameters):
    cases = [synthetic.case({"loop": 1e3}, operation="conv2d", **each) for each in parameters]
    record = Record(synthetic.record("a.b", cases))
    return [roofline.name_of(case, record) for case in record.cases]


def test_an_operation_measured_once_needs_no_size():
    assert names({"n": 3}) == ["conv2d"]


def test_sizes_tell_cases_apart_by_one_parameter_if_one_is_enough():
    assert names({"n": 3, "m": 8}, {"n": 5, "m": 9}) == ["conv2d 3", "conv2d 5"]
    assert names({"n": 3, "m": 8}, {"n": 3, "m": 9}) == ["conv2d 8", "conv2d 9"]


def test_sizes_tell_cases_apart_by_several_parameters_if_they_must():
    assert names({"n": 3, "m": 8}, {"n": 3, "m": 9}, {"n": 5, "m": 8}, {"n": 5, "m": 9}) == [
        "conv2d 3 8", "conv2d 3 9", "conv2d 5 8", "conv2d 5 9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("nbytes", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (2**21, "2.00 MiB")]
)
def test_sizes_have_the_unit_that_fits(nbytes, words):
    assert roofline.size(nbytes).replace("\N{NO-BREAK SPACE}", " ") == words
