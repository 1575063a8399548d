"""The waterfall in words: factors that follow from the samples, whatever they say."""

import re

import pytest
import synthetic

from accel.findings import loops, waterfall
from accel.timing import records
from accel.timing.records import CaseView
from accel.timing.roofs import RoofError
from accel.timing.stats import Interval

FIRST = {"lists": "", "lists_sum": "bytecode", "ijk": "objects"}
SECOND = {"ijk": "", "ikj": "single numbers"}


def case(times_ns, jitter=0.01, n=10, **parameters):
    return CaseView(
        synthetic.case(times_ns, baseline=[*times_ns][-1], jitter=jitter, n=n, dtype="float32",
                       **parameters)  # fmt: skip
    )


def unstable(times_ns, n=10):
    raw = synthetic.case(times_ns, n=n)
    return CaseView(records.summarise(raw, steal=0.3))


SMALL = case({"lists": 8.0e6, "lists_sum": 4.0e6, "ijk": 2.0e5})
LARGE = case({"ijk": 6.0e5, "ikj": 1.5e5}, n=20)
SHAKEN = unstable({"lists": 8.0e6, "lists_sum": 4.0e6, "ijk": 2.0e5})


def chain():
    return waterfall.layers((SMALL, FIRST), (LARGE, SECOND))


def plain(text):
    return str(text).replace("\N{NO-BREAK SPACE}", " ")


# The chain


def test_each_layer_is_compared_with_its_neighbour_in_the_same_case():
    steps = [(layer.kernel, layer.over, layer.removes) for layer in chain()]
    assert steps == [
        ("lists", None, ""),
        ("lists_sum", "lists", "bytecode"),
        ("ijk", "lists_sum", "objects"),
        ("ijk", None, ""),
        ("ikj", "ijk", "single numbers"),
    ]


def test_factors_are_those_of_the_case_and_a_change_of_size_has_none():
    factors = [layer.factor for layer in chain()]
    assert factors[0] is factors[3] is None
    assert factors[1] == SMALL.speedup("lists_sum", "lists")
    assert factors[2] == SMALL.speedup("ijk", "lists_sum")
    assert factors[4] == LARGE.speedup("ikj", "ijk")
    assert [layer.verdict for layer in chain()] == [None, "faster", "faster", None, "faster"]


def test_time_per_flop_divides_by_the_declared_flops():
    layer = chain()[0]
    assert layer.ns_per_flop.value == SMALL.time_ns("lists").value / 2000
    assert layer.ns_per_flop.low < layer.ns_per_flop.value < layer.ns_per_flop.high


def test_the_chain_is_cut_where_the_case_changes():
    assert [[layer.kernel for layer in part] for part in waterfall.parts_of(chain())] == [
        ["lists", "lists_sum", "ijk"],
        ["ijk", "ikj"],
    ]


def test_a_chain_that_breaks_is_refused():
    with pytest.raises(ValueError, match="breaks at n=20.* came to 'lists_sum' .* with 'ijk'"):
        waterfall.layers((SMALL, {"lists": "", "lists_sum": "bytecode"}), (LARGE, SECOND))


def test_a_single_kernel_is_no_waterfall():
    with pytest.raises(ValueError, match=r"needs two kernels at n=10.*\['lists'\]"):
        waterfall.layers((SMALL, {"lists": ""}))


def test_an_unknown_kernel_is_refused_with_the_choices():
    with pytest.raises(KeyError, match="no kernel 'loop'.*lists, lists_sum, ijk"):
        waterfall.layers((SMALL, {"lists": "", "loop": "nothing"}))


# Sentences


def test_the_split_gives_each_factor_and_the_measured_whole():
    text = waterfall.split_sentence(waterfall.parts_of(chain())[0])
    assert re.search(r"From `lists` to `ijk` at n=10.*: bytecode [12]\.\d+× .* and objects", text)
    assert text.endswith(f"Together that is {waterfall.times(SMALL.speedup('ijk', 'lists'))}.")
    assert "loss" not in text


def test_a_single_step_is_its_own_whole():
    text = waterfall.split_sentence(waterfall.parts_of(chain())[1])
    assert "single numbers" in text and "ogether" not in text


def test_a_loss_and_an_unresolved_factor_are_told_as_such():
    there = case({"lists": 1.0e6, "lists_sum": 2.0e6, "ijk": 2.0e6})
    text = waterfall.split_sentence(waterfall.layers((there, FIRST)))
    assert re.search(r"bytecode 0\.\d+× \([^)]*\), a loss", text)
    assert re.search(r"objects [01]\.\d+× \([^)]*\), not resolved", text)
    assert text.endswith("slower than at the start.")


def test_a_whole_that_is_not_resolved_is_no_gain():
    there = case({"lists": 1.0e6, "lists_sum": 1.0e6, "ijk": 1.0e6})
    text = waterfall.split_sentence(waterfall.layers((there, FIRST)))
    assert "does not clear the noise floor" in text and "Together that is" not in text


def test_an_unstable_case_is_not_split():
    text = waterfall.split_sentence(waterfall.layers((SHAKEN, FIRST)))
    assert "cannot be judged" in text and "hypervisor" in text
    assert "bytecode" not in text


def test_the_most_expensive_layer_is_named():
    text = waterfall.largest_sentence(chain())
    assert text.startswith("The most expensive layer is objects: ")
    dear_bytecode = case({"lists": 8.0e6, "lists_sum": 4.0e5, "ijk": 2.0e5})
    text = waterfall.largest_sentence(waterfall.layers((dear_bytecode, FIRST)))
    assert text.startswith("The most expensive layer is bytecode: ")


def test_layers_that_intervals_do_not_separate_are_named_together():
    equal = case({"lists": 8.0e6, "lists_sum": 4.0e6, "ijk": 2.0e6}, jitter=0.2)
    text = waterfall.largest_sentence(waterfall.layers((equal, FIRST)))
    assert "do not separate" in text and "bytecode (" in text and "objects (" in text


def test_without_a_resolved_gain_no_layer_is_most_expensive():
    text = waterfall.largest_sentence(waterfall.layers((SHAKEN, FIRST)))
    assert text == "No layer's removal is resolved as a gain in this run."


def test_the_prediction_furthest_off_is_named_with_its_direction():
    text = waterfall.judged_sentence(chain(), {"bytecode": 2.5, "objects": 400.0})
    assert "inside the measured intervals: 0 of 2." in text
    assert re.search(r"furthest off is objects: predicted 400×.* more than it has", text)
    text = waterfall.judged_sentence(chain(), {"bytecode": 2.5, "objects": 1.0})
    assert re.search(r"furthest off is objects: predicted 1.00×.* less than it has", text)


def test_predictions_inside_their_intervals_are_told_so():
    right = {layer.removes: layer.factor.value for layer in chain() if layer.factor}
    text = waterfall.judged_sentence(chain(), right)
    assert text == "Predictions inside the measured intervals: 3 of 3."


def test_predictions_are_not_judged_by_unstable_runs():
    shaken = waterfall.layers((SHAKEN, FIRST))
    text = waterfall.judged_sentence(shaken, {"bytecode": 400.0})
    assert text == "No prediction can be judged by this run."
    text = waterfall.judged_sentence([*shaken, *chain()[3:]], {"objects": 9.0, "single numbers": 1})
    assert "0 of 1. The furthest off is single numbers" in text


def test_the_table_has_a_row_for_each_step_with_prediction_beside_measurement():
    table = waterfall.table(chain(), {"bytecode": 3.0})
    assert len(table.rows) == 5
    start, bytecode = table.rows[0], table.rows[1]
    assert (start[0], start[5], start[6], start[7]) == ("–", "–", "–", "start")
    assert bytecode[:4] == ["bytecode", "`lists_sum`", "compiled", "n=10"]
    assert bytecode[5] == "3.00×" and bytecode[7] == "faster"
    assert table.rows[2][5] == "–"


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [(12.0, "12.0 ns"), (1.0, "1.00 ns"), (0.0088, "8.80 ps"), (2e3, "2.00 µs")],
)
def test_times_below_a_nanosecond_are_in_picoseconds(time_ns, text):
    assert plain(waterfall.per_flop(time_ns)) == text


# The roof


class Ceilings:
    """Roofs of an imaginary machine: so many GFLOP/s a core, and endless bandwidth."""

    def __init__(self, gflops):
        self.gflops = gflops

    def peak_gflops(self, dtype="float32", threads=1):
        assert dtype == "float32"
        peak = self.gflops * threads
        return Interval(peak, peak, peak, 1.0)

    def bandwidth_gbs(self, footprint_bytes, probe=None, threads=1):
        return Interval(1e9, 1e9, 1e9, 1.0)

    def fastest_gflops(self, dtype="float32", threads=1):
        return self.gflops * threads

    def fastest_gbs(self, footprint_bytes, threads=1):
        return 1e9


def test_a_share_is_of_as_many_cores_as_the_kernel_uses():
    there = case({"lists": 2.0e6, "ijk": 2.0e4})  # 0.001 and 0.1 GFLOP/s
    text = plain(loops.share_sentence(there, ["lists", "ijk"], Ceilings(0.2)))
    assert re.search(r"`lists` reaches 0\.(49|50)\d* % .* and `ijk` reaches (49|50)\.", text)
    assert text.endswith("of one core's roof.")
    text = plain(loops.share_sentence(there, ["ijk"], Ceilings(0.2), threads=2))
    assert re.search(r"`ijk` reaches 2[45]\.\d % .* of the roof of 2 cores\.$", text)


def test_a_share_above_the_roof_is_an_error_and_no_sentence():
    with pytest.raises(RoofError):
        loops.share_sentence(case({"ijk": 2.0e4}), ["ijk"], Ceilings(0.01))


# First calls, sums, integers


def test_a_first_call_is_paid_back_after_the_calls_that_it_takes():
    there = case({"lists": 1.0e7, "ijk": 1.0e5})  # first call: 50 calls and 1 ms
    text = plain(loops.first_call_sentence(there, "ijk", over="lists"))
    assert "took 6.00–6.00 ms" in text and "a later one" in text
    assert "after 1 call at n=10" in text
    slow = case({"lists": 2.0e5, "ijk": 1.0e5})
    text = loops.first_call_sentence(slow, "ijk", over="lists")
    assert re.search(r"after (5[6-9]|6[0-3]) calls at n=10", text)


@pytest.mark.parametrize(
    ("there", "end"),
    [
        (case({"lists": 1.0e5, "ijk": 3.0e5}), "is never paid back"),
        (case({"lists": 1.0e5, "ijk": 1.0e5}), "cannot be set off: not resolved"),
        (unstable({"lists": 9.0e5, "ijk": 1.0e5}), "cannot be set off: unstable"),
    ],
)
def test_a_first_call_without_a_gain_is_not_paid_back(there, end):
    text = loops.first_call_sentence(there, "ijk", over="lists")
    assert f"Against `lists` that {end} at n=10" in text
    assert "after" not in text


def sums(middle_ns, last_ns=4.0e5, jitter=0.01):
    """Cases of n = 10, of n = 10 with k = 20, and of n = 20; times of one call of each."""
    long = CaseView(synthetic.case({"ijk": middle_ns}, flops=4000, jitter=jitter, n=10, k=20))
    return case({"ijk": 2.0e4}), long, case({"ijk": last_ns}, n=20)


@pytest.mark.parametrize(
    ("cases", "end"),
    [
        (sums(1.0e5), "so it is the sums"),  # 10, 25 and 25 ns
        (sums(4.0e4), "so it is the data that"),  # 10, 10, 25
        (sums(6.4e4), "longer sums make part of the difference"),  # 10, 16, 25
        (sums(1.0e5, last_ns=1.6e5), "do not set themselves apart"),  # 10, 25, 10
        (sums(2.0e4), "so it is the data that"),  # 10, 5, 25
        (sums(4.4e4, last_ns=1.92e5, jitter=0.7), "does not tell"),  # 10, 8 to 14, 12
    ],
)
def test_longer_sums_and_more_data_are_told_apart(cases, end):
    assert end in loops.sums_sentence(*cases)


def test_long_sums_over_more_data_are_no_comparison():
    short, _, large = sums(1.0e5)
    with pytest.raises(ValueError, match="expected no more data at n=20.* than at n=10"):
        loops.sums_sentence(short, large, large)


def test_what_an_unstable_run_says_about_sums_is_not_judged():
    short, long, _ = sums(1.0e5)
    text = loops.sums_sentence(short, long, unstable({"ijk": 4.0e5}, n=20))
    assert "Not judged, since unstable: n=20 (" in text and "so it is" not in text


def integers(numpy, ours, blas, view=case):
    return view({"ijk": ours, "blas": blas, "numpy_int64": numpy, "ijk_int64": ours})


def test_numpy_without_blas_is_a_loop_like_any_other():
    text = loops.integer_sentence(integers(1.2e6, 1.0e6, 5.0e4))
    assert "being compiled is not what makes NumPy fast" in text


@pytest.mark.parametrize(
    ("numpy", "blas"), [(1.0e6, 1.0e6), (2.0e5, 1.9e5), (4.0e6, 2.0e6), (1.0e6, 3.0e6)]
)
def test_without_a_gap_before_blas_nothing_is_concluded(numpy, blas):
    text = loops.integer_sentence(integers(numpy, 1.0e6, blas))
    assert "does not tell what makes NumPy fast" in text and "like any other" not in text


def test_an_unstable_run_concludes_nothing_about_numpy():
    text = loops.integer_sentence(integers(1.2e6, 1.0e6, 5.0e4, view=unstable))
    assert "The run was unstable" in text and "like any other" not in text
