"""Each goal says "met", "not met" or "not measured" as the samples have it."""

import invented
import pytest

from accel.bench import goals as judging
from accel.bench import shares
from accel.bench.goals import goals, judged
from accel.bench.shares import Point, geometric_mean
from accel.timing.roofs import RoofError
from accel.timing.words import factor

#: GB/s of the best probe that writes, of the invented machine in memory, one thread.
STREAMING = 30.0


def verdicts(bench, what, wanted=""):
    found = [g for g in goals(bench) if g.what.startswith(what) and wanted in g.wanted]
    assert found
    return [goal.verdict for goal in found]


def products(ratio, *, torch=2.0, n=2048, seconds_per_flop=1 / 215e9, threads=1, **more):
    flops = 2 * n**3
    ours = flops * seconds_per_flop * 1e9
    times = {"accel": ours, "NumPy": ours * ratio, "PyTorch": ours * torch}
    made = invented.case(times, n=n, flops=flops, compulsory_bytes=12 * n * n, **more)
    return invented.entry("matmul", [made], group="matmul", threads=threads)


def test_a_geometric_mean_is_that_of_ratios():
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="at least one value, got none"):
        geometric_mean([])


@pytest.mark.parametrize(
    ("values", "every", "verdict"),
    [
        ([1.2, 0.95], False, "met"),
        ([1.2, 0.95], True, "not met"),
        ([1.2, 0.5], False, "not met"),
        ([1.0], True, "met"),
        ([], False, "not measured"),
        ([], True, "not measured"),
    ],
)
def test_a_goal_holds_for_the_mean_or_for_every_case(values, every, verdict):
    points = [Point(f"case {i}", value) for i, value in enumerate(values)]
    goal = judged("x", "at least 1", points, 1.0, factor, every=every)
    assert goal.verdict == verdict
    assert goal.verdict in judging.VERDICTS


def test_the_worst_case_is_named():
    points = [Point("small", 0.7), Point("large", 3.0)]
    assert judged("x", "y", points, 1.0, factor).worst == "0.700× (small)"


def test_without_anything_measured_no_goal_is_met():
    assert {goal.verdict for goal in goals(invented.bench())} == {"not measured"}


@pytest.mark.parametrize(("ratio", "verdict"), [(1.1, "met"), (0.8, "not met")])
def test_products_against_numpy(ratio, verdict):
    bench = invented.bench(products(ratio))
    assert verdicts(bench, "matmul, 1 thread", "NumPy") == [verdict, verdict]


@pytest.mark.parametrize(("torch", "verdict"), [(1.6, "met"), (1.4, "not met")])
def test_products_against_pytorch(torch, verdict):
    assert verdicts(invented.bench(products(1, torch=torch)), "matmul, 1", "PyTorch") == [verdict]


@pytest.mark.parametrize(
    ("rate", "n", "verdict"),
    [(215e9, 1024, "met"), (190e9, 1024, "not met"), (215e9, 1023, "not measured")],
)
def test_products_against_the_peak_count_where_they_are_large(rate, n, verdict):
    bench = invented.bench(products(1, n=n, seconds_per_flop=1 / rate))
    assert verdicts(bench, "matmul, 1 thread, N", "FMA") == [verdict]


@pytest.mark.parametrize(("gain", "verdict"), [(1.9, "met"), (1.7, "not met")])
def test_the_efficiency_of_two_threads(gain, verdict):
    one, two = products(1), products(1, threads=2, seconds_per_flop=1 / 215e9 / gain)
    assert verdicts(invented.bench(one, two), "matmul, all", "efficiency") == [verdict]
    assert verdicts(invented.bench(two), "matmul, all", "efficiency") == ["not measured"]


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.95, "met"), (1.3, "met"), (0.85, "not met")]
)
def test_bandwidth_out_of_cache(share, verdict):
    size = 2**26
    times = {"accel": size / (share * STREAMING), "NumPy": 1e9}
    made = invented.case(times, compulsory_bytes=size)
    bench = invented.bench(invented.entry("sgd", [made], group="optimizer", places=["memory"]))
    assert verdicts(bench, judging.MEMORY_BOUND[0], "bandwidth") == [verdict]


def test_bandwidth_without_roofs_is_not_measured():
    bench = invented.bench(
        invented.entry("relu", [invented.case()], places=["memory"]), roofs=False
    )
    (goal,) = [g for g in goals(bench) if "bandwidth" in g.wanted]
    assert (goal.verdict, goal.remark) == ("not measured", "no roofs were measured")


@pytest.mark.parametrize(
    ("rivals", "expected"),
    [
        ({"NumPy": 6e5, "PyTorch": 3e5}, ["met", "met", "met", "met"]),
        ({"NumPy": 4e5, "PyTorch": 1.5e5}, ["not met", "not met", "met", "met"]),
        ({"NumPy": 0.8e5, "PyTorch": 0.9e5}, ["not met", "not met", "not met", "not met"]),
        ({"NumPy": 6e5}, ["not measured", "met", "not measured", "met"]),
    ],
)
def test_the_lead_in_cache(rivals, expected):
    bench = invented.bench(invented.entry("relu", [invented.case({"accel": 1e5, **rivals})]))
    found = [g.verdict for g in goals(bench) if g.what.endswith("in cache")]
    assert found == expected


def test_one_slower_case_among_many_is_enough_to_lose():
    cases = [invented.case(n=1), invented.case({**invented.LEADING, "NumPy": 0.9e5}, n=2)]
    bench = invented.bench(invented.entry("relu", cases))
    (goal,) = [g for g in goals(bench) if g.wanted == "no case slower than NumPy"]
    assert goal.verdict == "not met"
    assert goal.found == "1 of 2 cases slower"
    assert "n=2" in goal.worst


def test_an_unstable_case_is_not_used_and_counted():
    cases = [invented.case(n=1, stable=False)]
    bench = invented.bench(invented.entry("relu", cases))
    (goal,) = [g for g in goals(bench) if g.wanted == "no case slower than NumPy"]
    assert goal.verdict == "not measured"
    assert goal.remark == "1 of 1 cases unstable, left out"


def test_a_library_that_is_absent_is_named():
    cards = [invented.CARDS[0], {"name": "PyTorch", "reason": "PyTorch is not installed here (x)"}]
    bench = invented.bench(invented.entry("relu", [invented.case()]), peers=cards)
    found = [g for g in goals(bench) if g.what.endswith("in cache") and "PyTorch" in g.wanted]
    assert {g.remark for g in found} == {"PyTorch is not installed here (x)"}


@pytest.mark.parametrize(("torch", "verdict"), [(1.4, "met"), (1.2, "not met")])
def test_convolutions_against_pytorch(torch, verdict):
    made = invented.case({"accel": 1e7, "PyTorch": torch * 1e7}, flops=2 * 10**9)
    bench = invented.bench(invented.entry("conv2d", [made], group="convolution"))
    assert verdicts(bench, "conv2d, attention", "PyTorch") == [verdict]


def errors(ours, theirs, ulp=3.0):
    common = {"operation": "gelu", "dtype": "float32", "ulp": ulp, "relative": 1e-7}
    return [
        {**common, "competitor": name, "typical": typical}
        for name, typical in (("accel", ours), ("PyTorch", theirs))
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "ulp", "verdict"),
    [
        (0.2, 0.25, 3.0, "met"),
        (0.25, 0.2, 3.0, "not met"),
        (0.25, 0.2, 1.0, "met"),
        (0.2, 0.2, 3.0, "met"),
        (0.1, 0.0, 3.0, "not met"),
        (0.0, 0.0, 0.0, "met"),
    ],
)
def test_errors_are_compared_where_they_are_more_than_the_types(ours, theirs, ulp, verdict):
    bench = invented.bench(accuracy=errors(ours, theirs, ulp))
    assert verdicts(bench, "accuracy") == [verdict]


def test_without_a_reference_errors_are_not_judged():
    bench = invented.bench(accuracy=errors(1, 1)[:1])
    assert verdicts(bench, "accuracy") == ["not measured"]


@pytest.mark.parametrize(("warm_ns", "verdict"), [(4e8, "met"), (6e8, "not met")])
def test_a_warm_start(warm_ns, verdict):
    row = {"operation": "gelu", "dtype": "float32", "threads": 1, "cold_ns": 3e9,
           "warm_ns": warm_ns, "numba_ns": 2e8}  # fmt: skip
    bench = invented.bench(first_calls=[row, {"operation": "x", "reason": "broke"}])
    assert verdicts(bench, "first call") == [verdict]


def test_a_share_above_the_roof_is_said_and_not_clipped():
    made = invented.case({"accel": 1e5}, flops=10**9, compulsory_bytes=10**4)
    (measured,) = invented.bench(invented.entry("x", [made])).cases
    with pytest.raises(RoofError):
        shares.roof_share(measured, invented.bench().roofs)
    assert shares.share_or_reason(measured, invented.bench().roofs) == "above it"


@pytest.mark.parametrize("changes", [{"compulsory_bytes": 0}, {"dtype": "int64", "flops": 10}])
def test_where_there_is_no_roof_there_is_no_share(changes):
    (measured,) = invented.bench(invented.entry("x", [invented.case(**changes)])).cases
    assert shares.roof_share(measured, invented.bench().roofs) is None
    assert shares.share_or_reason(measured, None) == "–"
