"""What is measured follows from the registry and from the machine's caches."""

import pytest
import synthetic_roofs

from accel.bench import planning
from accel.bench.planning import OURS, RequestError, Task
from accel.kernels.registry import FAMILIES
from accel.timing.plan import PROFILES

FACTS = synthetic_roofs.MACHINE
RELU = Task("relu", "float32", 1)
CARD = {
    "name": "Fake", "reason": None, "version": "1.0",
    "operations": {"relu": {"target": "fake:call", "adapt": "fake:relu"}},
}  # fmt: skip


def test_every_operation_is_asked_for_by_default(monkeypatch):
    monkeypatch.setattr(planning, "cores", lambda: 4)
    tasks = planning.tasks()
    assert {task.operation for task in tasks} == set(FAMILIES)
    assert [t for t in tasks if t.operation == "relu"] == [RELU]
    assert [(t.dtype, t.threads) for t in tasks if t.operation == "matmul"] == [
        ("float32", 1), ("float32", 4), ("float64", 1), ("float64", 4),
    ]  # fmt: skip


def test_what_is_asked_for_is_what_is_measured(monkeypatch):
    monkeypatch.setattr(planning, "cores", lambda: 4)
    assert planning.tasks(["relu", "relu"], ["float64"], 2) == [Task("relu", "float64", 2)]
    assert planning.tasks(["matmul"], threads=1) == [
        Task("matmul", "float32", 1), Task("matmul", "float64", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((["rel"],), "no operation rel; there are .*relu"),
        ((["relu"], ["float16"]), "no element type float16; choose one of float32"),
        ((["relu"], [], 0), "--threads must be 1 to 4"),
        ((["relu"], [], 5), "--threads must be 1 to 4"),
    ],
)
def test_what_cannot_be_measured_is_refused(monkeypatch, arguments, complaint):
    monkeypatch.setattr(planning, "cores", lambda: 4)
    with pytest.raises(RequestError, match=complaint):
        planning.tasks(*arguments)


def test_an_operation_without_sizes_or_kernel_is_skipped_with_a_reason():
    assert planning.reason_to_skip(RELU) is None
    assert "which sizes" in planning.reason_to_skip(Task("chain", "float32", 1))
    assert "int64" in planning.reason_to_skip(Task("relu", "int64", 1))


def test_working_sets_lie_within_the_caches_and_beyond():
    KiB, MiB = 2**10, 2**20
    assert planning.working_sets(FACTS) == [16 * KiB, 512 * KiB, 3 * MiB, 64 * MiB]
    small = {**FACTS, "caches": FACTS["caches"][:2]}
    assert planning.working_sets(small) == [16 * KiB, 96 * KiB, 2 * MiB]
    unknown = {**FACTS, "caches": None}
    assert planning.working_sets(unknown) == planning.working_sets(FACTS)


@pytest.mark.parametrize(
    ("size", "place"), [(2**15, "L1"), (2**15 + 1, "L2"), (2**25, "L3"), (2**25 + 1, "memory")]
)
def test_a_working_set_has_a_place(size, place):
    assert planning.place_of(size, FACTS) == place


def test_shapes_are_sizes_and_then_awkward_ones():
    shapes = planning.shapes(RELU, "standard", FACTS)
    assert [shape.awkward for shape in shapes[:5]] == [False] * 4 + [True]
    lengths = [shape.parameters["n"] for shape in shapes[:4]]
    assert lengths == sorted(lengths)
    assert all(shape.parameters["dtype"] == "float32" for shape in shapes)
    assert len(planning.shapes(RELU, "quick", FACTS)) == 5


@pytest.mark.parametrize("profile", list(PROFILES))
def test_arithmetic_is_bounded_and_large_products_are_there(profile):
    op = planning.operation("matmul")
    shapes = planning.shapes(Task("matmul", "float32", 1), profile, FACTS)
    most = planning.most_flops("matmul", profile)
    assert all(op.flops(**shape.parameters) <= most for shape in shapes)
    assert max(shape.parameters["n"] for shape in shapes) >= 1024


def test_a_plan_has_us_twice_and_each_rival_that_knows_the_operation():
    other = {**CARD, "name": "Other", "operations": {}}
    plan = planning.plan(RELU, "quick", [CARD, other], FACTS)
    assert plan.experiment == "bench.relu_float32"
    assert {case.baseline for case in plan.cases} == {OURS}
    assert {tuple(case.kernels) for case in plan.cases} == {(OURS, "Fake")}
    assert plan.cases[0].kernels["Fake"]["story"] == "Fake 1.0"
    assert plan.cases[0].kernels[OURS]["story"].startswith("vector: ")


def test_another_version_of_a_rival_is_another_plan():
    newer = {**CARD, "version": "1.1"}
    assert (
        planning.plan(RELU, "quick", [CARD], FACTS).digest()
        != planning.plan(RELU, "quick", [newer], FACTS).digest()
    )


def test_threads_go_into_name_and_protocol():
    plan = planning.plan(Task("relu", "float64", 2), "standard", [], FACTS)
    assert plan.experiment == "bench.relu_float64_threads_2"
    assert plan.protocol.threads == 2
