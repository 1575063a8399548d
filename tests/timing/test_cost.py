"""Costs against roofs that are made up, so that every share is known beforehand."""

import math
from dataclasses import dataclass

import pytest
import synthetic

from accel.timing import cost
from accel.timing.cost import CLOCK_MARGIN, Cost
from accel.timing.plan import Case
from accel.timing.records import CaseView
from accel.timing.roofs import RoofError
from accel.timing.stats import Interval


@dataclass(frozen=True)
class Slab:
    """Roofs of an invented machine: 100 GFLOP/s in float32, half in float64, times threads."""

    peak: Interval = Interval(100.0, 98.0, 102.0, 0.97)
    near: Interval = Interval(50.0, 49.0, 51.0, 0.97)
    far: Interval = Interval(10.0, 9.0, 11.0, 0.97)
    near_bytes: int = 32 * 1024

    def peak_gflops(self, dtype="float32", threads=1):
        scale = threads * {"float32": 1.0, "float64": 0.5}[dtype]
        return Interval(*(scale * end for end in self.peak[:3]), self.peak.coverage)

    def bandwidth_gbs(self, footprint_bytes, probe=None, threads=1):
        return self.near if footprint_bytes <= self.near_bytes else self.far

    def fastest_gflops(self, dtype="float32", threads=1):
        return self.peak_gflops(dtype, threads).high

    def fastest_gbs(self, footprint_bytes, threads=1):
        return self.bandwidth_gbs(footprint_bytes).high


def saxpy(n=1000, time_ns=240.0, dtype="float32"):
    """12 n bytes and 2 n FLOPs, as saxpy declares; no jitter, so that rates are exact."""
    raw = synthetic.case(
        {"loop": time_ns}, operation="saxpy", n=n, dtype=dtype, flops=2 * n, jitter=0.0
    )
    return CaseView({**raw, "compulsory_bytes": 12 * n})


def matmul(time_ns=20_000.0, **parameters):
    """At n = 100: 2 million FLOPs and 120,000 bytes."""
    return CaseView(synthetic.case({"tile": time_ns}, n=100, jitter=0.0, **parameters))


def test_intensity_is_flops_over_bytes():
    assert Cost(2_000_000, 120_000).intensity == pytest.approx(100 / 6)


@pytest.mark.parametrize("flops", [0, 7])
def test_no_bytes_give_no_intensity_but_a_named_error(flops):
    with pytest.raises(ValueError, match=rf"mine: expected compulsory bytes .* {flops} FLOPs"):
        assert Cost(flops, 0, "mine").intensity


@pytest.mark.parametrize(("flops", "nbytes"), [(-1, 4), (4, -1)])
def test_negative_counts_are_refused(flops, nbytes):
    with pytest.raises(ValueError, match="at least 0, got -1"):
        Cost(flops, nbytes)


def test_the_cost_of_a_case_is_what_it_declares_measured_or_planned():
    kernels = {"blas": {"target": "a:b", "adapt": None, "instrument": "NumPy", "story": ""}}
    planned = Case("matmul", {"n": 100}, "a:b", "a:b", kernels, "blas", 2_000_000, 120_000)
    assert cost.of(planned) == cost.of(matmul()) == Cost(2_000_000, 120_000)
    assert cost.of(planned).name == "matmul at n=100"


def test_below_the_ridge_the_bandwidth_of_the_level_that_holds_the_bytes_is_the_roof():
    small, large = Cost(2000, 12_000), Cost(2_000_000, 12_000_000)
    assert cost.attainable_gflops(small, Slab())[:3] == pytest.approx((50 / 6, 49 / 6, 51 / 6))
    assert cost.attainable_gflops(large, Slab())[:3] == pytest.approx((10 / 6, 9 / 6, 11 / 6))
    assert cost.bound(small, Slab()) == cost.bound(large, Slab()) == "memory"


def test_above_the_ridge_the_peak_is_the_roof():
    dense = Cost(2_000_000, 120_000)  # 16.7 FLOPs per byte, times 10 GB/s
    assert cost.attainable_gflops(dense, Slab())[:3] == pytest.approx((100, 98, 102))
    assert cost.bound(dense, Slab()) == "arithmetic"


@pytest.mark.parametrize(
    ("dtype", "threads", "peak"), [("float32", 1, 100), ("float64", 1, 50), ("float64", 2, 100)]
)
def test_type_and_threads_choose_the_peak(dtype, threads, peak):
    dense = Cost(10**9, 1000)
    assert cost.attainable_gflops(dense, Slab(), dtype, threads).value == pytest.approx(peak)


def test_both_intervals_together_are_promised_less_than_each():
    assert cost.attainable_gflops(Cost(1, 1), Slab()).coverage == pytest.approx(0.94)


def test_at_the_ridge_the_low_end_may_come_from_one_roof_and_the_high_end_from_the_other():
    slab = Slab(peak=Interval(100, 80, 101, 0.97), far=Interval(10.0, 9.9, 12.0, 0.97))
    roof = cost.attainable_gflops(Cost(10_000_000, 1_000_000), slab)
    assert roof[:3] == pytest.approx((100, 80, 101))


def test_a_share_is_the_rate_over_the_roof_with_both_uncertainties():
    share = cost.share_of_roof(matmul(40_000.0), "tile", Slab())
    assert share[:3] == pytest.approx((0.5, 50 / 102, 50 / 98))
    assert share.coverage == pytest.approx(0.96875 + 0.94 - 1)


def test_the_element_type_of_the_case_chooses_the_peak():
    assert cost.share_of_roof(matmul(40_000.0, dtype="float64"), "tile", Slab()).value == (
        pytest.approx(1.0)
    )


@pytest.mark.parametrize("excess", [1.02, 1.0 + CLOCK_MARGIN])
def test_a_share_a_little_above_one_is_the_clock_and_is_not_clipped(excess):
    share = cost.share_of_roof(matmul(20_000.0 / excess), "tile", Slab())
    assert share.value == pytest.approx(excess, rel=1e-3)


def test_a_kernel_above_the_median_probe_but_not_above_the_best_is_no_error():
    """The probe was disturbed for most of its time, the kernel was not."""
    disturbed = Slab(peak=Interval(100.0, 98.0, 130.0, 0.97))
    assert cost.share_of_roof(matmul(20_000.0 / 1.3), "tile", disturbed).value > 1.2


def test_a_point_above_its_roof_names_operation_kernel_case_and_share():
    with pytest.raises(RoofError) as caught:
        cost.share_of_roof(matmul(10_000.0, dtype="float32"), "tile", Slab())
    message = str(caught.value)
    for part in ("matmul at n=100, dtype=float32", "kernel tile", "2.00", "5%",
                 "2,000,000 FLOPs", "120,000 bytes", "count", "roof is wrong"):  # fmt: skip
        assert part in message


def test_a_memory_bound_point_above_its_roof_is_an_error_too():
    with pytest.raises(RoofError, match="saxpy at n=1000, dtype=float32: kernel loop runs at"):
        cost.share_of_roof(saxpy(time_ns=120.0), "loop", Slab())


@pytest.mark.parametrize(("flops", "nbytes", "said"), [(8, 0, "bytes"), (0, 8, "FLOPs")])
def test_a_case_that_declares_nothing_has_no_share(flops, nbytes, said):
    case = CaseView({**matmul().data, "flops": flops, "compulsory_bytes": nbytes})
    with pytest.raises(ValueError, match=f"matmul at n=100: expected .*{said}"):
        cost.share_of_roof(case, "tile", Slab())


def test_an_unknown_kernel_is_named():
    with pytest.raises(KeyError, match="no kernel 'blas' at n=100; there are tile"):
        cost.share_of_roof(matmul(), "blas", Slab())


def test_the_table_has_counts_and_with_roofs_what_is_attainable():
    bare = cost.cost_table([saxpy(), matmul()])
    assert [list(row) for row in bare.rows] == [
        ["`saxpy`", "n=1000, dtype=float32", "2,000", "12,000", "0.167"],
        ["`matmul`", "n=100", "2,000,000", "120,000", "16.7"],
    ]
    roofed = cost.cost_table([saxpy(), matmul()], Slab())
    assert [row[-1] for row in roofed.rows] == ["memory", "arithmetic"]
    assert roofed.rows[1][-2].startswith("100\N{NO-BREAK SPACE}GFLOP/s (98.0–102")
    assert len(roofed.headers) == len(roofed.rows[0])


def test_an_empty_table_and_an_empty_size_are_refused():
    with pytest.raises(ValueError, match="at least one case"):
        cost.cost_table([])
    with pytest.raises(ValueError, match="saxpy at n=0"):
        cost.cost_table([CaseView({**saxpy().data, "parameters": {"n": 0},
                                   "compulsory_bytes": 0})])  # fmt: skip


def test_intensity_is_finite_for_every_cost_that_has_bytes():
    assert math.isfinite(Cost(10**30, 1).intensity)
