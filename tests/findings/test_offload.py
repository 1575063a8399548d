"""What is said of offloading follows from the record and the device, also from contrary ones."""

import pytest
import synthetic

from accel.findings import offload
from accel.findings.affordable import check_affordable
from accel.timing.records import Record
from accel.timing.stats import Interval

#: 10 GB/s is 10 bytes per ns: easy to reckon with.
DEVICE = offload.Device("Imaginary 10", "an imaginary sheet", 10_000, 1_000, 10, 1_000)


def call(operation, size, cpu_ns, moved_bytes, flops, stable=True, **kernels):
    """One case: what the CPU takes, and what would be moved."""
    made = synthetic.case(
        {**kernels, "vector": cpu_ns}, operation=operation, flops=flops, jitter=0.001, n=size,
        dtype="float32",
    )  # fmt: skip
    made["compulsory_bytes"] = moved_bytes
    return made if stable else made | {"stable": False, "reasons": ["stolen time"]}


def record(*calls):
    return Record(synthetic.record("offload.here", list(calls)))


def matmul(*times, **changes):
    """Products of sizes 64, 128, ... that take the given times, in µs."""
    calls = []
    for power, time in enumerate(times):
        n = 64 * 2**power
        calls.append(call("matmul", n, time * 1e3, 12 * n * n, 2 * n**3, **changes))
    return record(*calls)


def test_the_way_is_latency_and_bytes_over_the_link():
    assert DEVICE.moving_ns(5_000) == 1_000 + 500


@pytest.mark.parametrize(
    ("flops", "touched", "ns"), [(1e6, 1e3, 100.0), (1e3, 1e6, 1_000.0), (0, 0, 0.0)]
)
def test_work_on_the_device_is_at_the_lower_roof(flops, touched, ns):
    assert DEVICE.computing_ns(flops, touched) == ns


@pytest.mark.parametrize("field", ["peak_gflops", "memory_gb_s", "link_gb_s"])
def test_a_device_without_a_rate_is_refused(field):
    given = {"peak_gflops": 1, "memory_gb_s": 1, "link_gb_s": 1, "latency_ns": 0, field: 0}
    with pytest.raises(ValueError, match=f"expected {field} above 0"):
        offload.Device("Nothing", "nowhere", **given)


def test_a_device_that_answers_before_it_is_asked_is_refused():
    with pytest.raises(ValueError, match="expected latency_ns of at least 0"):
        offload.Device("Prophet", "nowhere", 1, 1, 1, -1)


def test_the_cpu_is_its_fastest_kernel():
    (found,) = offload.offloads(record(call("gelu", 8, 5e4, 100, 64, numpy=2e4)), DEVICE)
    assert found.kernel == "numpy" and found.cpu.value == pytest.approx(2e4, rel=0.01)


def test_a_gain_is_a_measured_time_over_a_modelled_one():
    (found,) = offload.offloads(record(call("gelu", 8, 5e4, 40_000, 64)), DEVICE)
    assert found.gain.value == pytest.approx(5e4 / (1_000 + 4_000 + 40), rel=0.01)
    assert found.gain_staying(1_000).value == pytest.approx(5e4 / 1_040, rel=0.01)
    assert found.gain.low <= found.gain.value <= found.gain.high


def test_a_faster_processor_at_the_end_of_a_long_way_gains_little():
    (found,) = offload.offloads(record(call("gelu", 8, 5e4, 240_000, 64)), DEVICE)
    assert found.gain_if(10).value == pytest.approx(5e4 / (25_000 + 5_000), rel=0.01)
    assert found.gain_if(1e12).value == pytest.approx(2, rel=0.01)


def test_a_call_that_moves_nothing_cannot_be_judged():
    with pytest.raises(ValueError, match="declares no bytes to move"):
        offload.offloads(record(call("gelu", 8, 5e4, 0, 64)), DEVICE)


@pytest.mark.parametrize(
    ("times_us", "words"),
    [
        ((2, 40, 900), "breaks even between n = 64 and n = 128; it gains"),
        ((2, 10, 20), "loses by being offloaded wherever that is resolved; its best is"),
        ((90, 400, 900), "gains wherever that is resolved"),
        ((90, 400, 20), "it gains at n = 64 and n = 128, and loses at n = 256"),
        ((5.968,), "neither gains nor loses where it was measured"),
    ],
)
def test_a_break_even_lies_where_losses_turn_into_gains(times_us, words):
    told = offload.break_even_sentence(matmul(*times_us), DEVICE, "matmul")
    assert words in told and told.startswith("By the model, ")


def test_unstable_calls_are_left_out_and_named():
    calls = [
        call("gelu", 8, 5e4, 100, 64),
        call("gelu", 16, 5e4, 100, 64, stable=False),
        call("softmax", 8, 5e4, 100, 64, stable=False),
    ]
    told = offload.break_even_sentence(record(*calls), DEVICE, "gelu")
    assert "gains wherever that is resolved" in told
    assert "Not judged, since unstable (stolen time): n = 16." in told
    assert "is not judged" in offload.break_even_sentence(record(*calls), DEVICE, "softmax")
    assert "is not judged" in offload.intensity_sentence(record(*calls), DEVICE, "softmax")
    assert "`softmax` is not judged" in offload.hidden_sentence(record(*calls), DEVICE)


def test_the_intensity_of_breaking_even_makes_both_sides_equal():
    needed = offload.break_even_intensity(100, 10_000, 10)
    assert needed / 100 == pytest.approx(1 / 10 + needed / 10_000)


def test_a_processor_as_fast_as_the_device_never_breaks_even():
    assert offload.break_even_intensity(10_000, 10_000, 10) is None
    fast = record(call("matmul", 64, 1_000, 12, 20_000_000))
    assert "it cannot gain" in offload.intensity_sentence(fast, DEVICE, "matmul")


@pytest.mark.parametrize(
    ("flops", "moved", "verdict"),
    [
        (10**6, 10_000, "which is more."),
        (10**4, 10_000, "which is less."),
        (101_010, 10_000, "which is too near to tell."),
    ],
)
def test_an_intensity_is_held_against_the_one_that_is_needed(flops, moved, verdict):
    # At 100 here and 10,000 there it takes 10.1 FLOPs for each byte over 10 bytes per ns.
    told = offload.intensity_sentence(
        record(call("matmul", 64, flops / 100, moved, flops)), DEVICE, "matmul"
    )
    assert "runs at 100\xa0GFLOP/s" in told and verdict in told


def test_what_memory_limits_on_the_device_is_held_against_its_memory():
    # 1 FLOP for each byte: the device's memory allows 1,000 GFLOP/s of its peak of 10,000.
    gelu = record(call("gelu", 8, 1_000, 10_000, 10_000))
    told = offload.intensity_sentence(gelu, DEVICE, "gelu")
    needed = 1 / (10 * (1 / 10 - 1 / 1_000))
    assert f"from {needed:.2f} FLOPs per moved byte on" in told


@pytest.mark.parametrize(
    ("faster", "wanted", "share"), [(10, 1.5, 1 / 1.5 - 0.1), (2, 2, 0.0), (2, 4, -0.25)]
)
def test_the_share_of_the_way_is_what_work_leaves_of_the_wanted_time(faster, wanted, share):
    assert offload.largest_share(faster, wanted) == pytest.approx(share)


def test_a_factor_of_nothing_is_refused():
    with pytest.raises(ValueError, match="expected factors above 0"):
        offload.largest_share(0, 1)


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([(8, 5e4, 10)], "`gelu` does so at no size"),
        ([(8, 5e4, 490_000)], "`gelu` does so at every size, and reaches 0.9"),
        ([(8, 5e4, 490_000), (16, 5e7, 500_000)], "`gelu` does so at n = 8."),
        ([(8, 5e4, 273_333)], "`gelu` does so at no size, and at n = 8 may"),
    ],
)
def test_fast_compute_is_hidden_behind_a_long_way(calls, words):
    cases = [call("gelu", size, cpu, moved, 64) for size, cpu, moved in calls]
    told = offload.hidden_sentence(record(*cases), DEVICE, faster=10, wanted=1.5)
    assert words in told and "more than 56.7 % of the CPU's time" in told


def test_what_compute_cannot_give_at_all_is_said():
    told = offload.hidden_sentence(matmul(90), DEVICE, faster=2, wanted=4)
    assert "Compute that is 2× as fast cannot give 4×, however short the way." in told


@pytest.mark.parametrize(
    ("cpu_ns", "moved", "words"),
    [
        (60_000, 10_000, "1 in that range, none below 1× when"),
        (1_000, 10_000, "none in that range, 1 below 1×"),
        (9e6, 10, "none in that range, none below 1×"),
    ],
)
def test_a_claim_is_held_against_every_call(cpu_ns, moved, words):
    told = offload.claim_sentence(record(call("gelu", 8, cpu_ns, moved, 64)), DEVICE, 10, 100)
    assert "The source claims 10–100×. Of 1 calls" in told
    assert words.removesuffix(" when") in told


def test_a_claim_is_not_judged_by_what_is_unstable():
    shaken = record(call("gelu", 8, 5e4, 100, 64, stable=False))
    assert offload.claim_sentence(shaken, DEVICE, 10, 100).startswith("No call was stable")


def test_the_table_keeps_measured_and_modelled_apart():
    table = offload.gains_table(matmul(2, 40), DEVICE)
    assert [row[1] for row in table.rows] == ["n = 64", "n = 128"]
    assert table.headers[3] == "CPU, measured"
    assert all(header.endswith("modelled") for header in table.headers[4:])


def test_the_table_has_no_gain_of_unstable_calls():
    (row,) = offload.gains_table(matmul(40, stable=False), DEVICE).rows
    assert row[-2:] == ["unstable", "–"] and row[3].startswith("40")


def test_the_device_is_shown_as_given():
    table = offload.device_table(DEVICE)
    assert "given, not measured" in table.caption
    assert [row[2] for row in table.rows] == ["an imaginary sheet"] * 3 + ["assumed here"]


def test_sizes_are_named_without_element_types():
    assert offload.size_of(matmul(2).cases[0]) == "n = 64"


def test_a_missing_device_is_said_with_its_reason():
    assert offload.no_device_sentence("no driver; install one") == (
        "No GPU on this build: no driver; install one."
    )


def affordable(cpu_ns, faster, wanted, device):
    left = cpu_ns / wanted - cpu_ns / faster - device.latency_ns
    return max(0.0, left * device.link_gb_s)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda cpu, faster, wanted, d: (cpu / wanted - d.latency_ns) * d.link_gb_s, "expected"),
        (lambda cpu, faster, wanted, d: affordable(cpu, faster, wanted, d) + 1e4, "expected"),
        (lambda cpu, faster, wanted, d: None, "raised TypeError"),
        (lambda cpu, faster, wanted, d: d.speed, "raised AttributeError"),
    ],
)
def test_the_exercise_is_checked(wrong, words):
    assert check_affordable(affordable) == []
    assert any(words in complaint for complaint in check_affordable(wrong))


def test_gains_have_the_interval_of_the_measured_time():
    case = matmul(40).cases[0]
    made = offload.Offload(case, "vector", Interval(100.0, 90.0, 120.0, 0.97), 10.0, 10.0)
    assert made.gain[:3] == (5.0, 4.5, 6.0) and made.gain.coverage == 0.97
