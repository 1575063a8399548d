"""A page's part of a run: cases near and far, and sentences that follow from the record."""

import invented
import pytest
import synthetic
import synthetic_roofs

from accel.bench import excerpt
from accel.timing.records import Record

CARDS = [
    {
        "name": "NumPy", "reason": None, "version": "2.4.6", "threads": "one",
        "operations": {"relu": {"target": "fake:call", "adapt": "fake:relu"}},
    },
    {"name": "PyTorch", "reason": "PyTorch is not installed here"},
]  # fmt: skip


def record(*cases):
    return Record(synthetic.record("limit.ours", [*cases]))


def relu(n, times=invented.LEADING, **more):
    case = invented.case(times, flops=n, compulsory_bytes=8 * n, n=n, **more)
    return {**case, "operation": "relu"}


def test_an_operation_is_measured_near_and_far_with_those_who_know_it():
    cases = excerpt.cases(["relu", "gelu"], CARDS, facts=synthetic_roofs.MACHINE)
    assert [case.operation for case in cases] == ["relu", "relu", "gelu", "gelu"]
    near, far = (case.compulsory_bytes for case in cases[:2])
    assert near < 2**20 and far > 2**25
    assert set(cases[0].kernels) == {"accel", "NumPy"} and set(cases[2].kernels) == {"accel"}


def test_an_operation_that_cannot_be_measured_is_named_with_the_reason():
    with pytest.raises(ValueError, match="chain cannot be measured: it does not say which sizes"):
        excerpt.cases(["chain"], CARDS, facts=synthetic_roofs.MACHINE)


def test_a_rival_that_lost_everywhere_and_one_that_did_not_are_told_apart():
    ahead = record(relu(1000), relu(2000))
    assert "no case is slower" in excerpt.rival_sentence(ahead, "NumPy")
    assert "6.00× as a geometric mean" in excerpt.rival_sentence(ahead, "NumPy")
    mixed = record(relu(1000), relu(2000, {"accel": 1e5, "NumPy": 5e4}))
    sentence = excerpt.rival_sentence(mixed, "NumPy")
    assert "1 slower, the worst relu at n=2000, 0.500×" in sentence
    assert "did not compete" in excerpt.rival_sentence(ahead, "JAX")


def test_unstable_cases_are_left_out_and_counted():
    shaky = record(relu(1000), relu(2000, stable=False))
    assert "in 1 cases" in excerpt.rival_sentence(shaky, "NumPy")
    assert "1 unstable and left out" in excerpt.rival_sentence(shaky, "NumPy")
    none = record(relu(1000, stable=False))
    assert "nothing is judged" in excerpt.rival_sentence(none, "NumPy")
    assert "nothing is said" in excerpt.furthest_sentence(none, synthetic_roofs.roofs())


def test_the_nearest_and_the_furthest_case_are_named_with_their_roof():
    near, far = relu(2**13, {"accel": 800.0}), relu(2**20, {"accel": 1e7})
    sentence = excerpt.furthest_sentence(record(near, far), synthetic_roofs.roofs())
    assert sentence.startswith("Nearest its roof is relu at n=8192, with 7")
    assert "what memory allows; furthest from it relu at n=1048576" in sentence


def test_the_table_has_a_column_for_each_rival():
    table = excerpt.limit_table(record(relu(2**13)), synthetic_roofs.roofs())
    assert list(table.headers[-2:]) == ["NumPy", "PyTorch"]
    assert table.rows[0][-1].endswith(", faster") and table.rows[0][4] == "memory"


def test_an_operation_that_only_moves_has_a_share_of_bandwidth():
    moved = invented.case({"accel": 1e4}, flops=0, compulsory_bytes=10**6, rows=10)
    share, roof = excerpt.share_of(record(moved).cases[0], synthetic_roofs.roofs())
    assert roof == "memory" and 0 < share.value


def test_a_kernel_that_does_less_than_is_declared_has_no_share():
    data = invented.case({"accel": 1e4, "NumPy": 1e6}, flops=10**6, side=8)
    data["operation"] = "conv2d"
    data["kernels"]["accel"]["story"] = "winograd: by transformation"
    case = record(data)
    assert excerpt.share_of(case.cases[0], synthetic_roofs.roofs()) is None
    assert excerpt.limit_table(case, synthetic_roofs.roofs()).rows[0][3:5] == ["–", "fewer FLOPs"]
    assert "No case has a roof" in excerpt.furthest_sentence(case, synthetic_roofs.roofs())


def test_absent_libraries_are_named():
    sentence = excerpt.absent_sentence(CARDS)
    assert sentence == (
        "Compared with NumPy 2.4.6. Not compared: PyTorch is not installed here."
    )
