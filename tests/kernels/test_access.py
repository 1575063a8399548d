"""Strided sums, column sums and page walks: right answers in every layout, and the layouts."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import access, case, check, ladder, operation

NAMES = ("strided_sum", "column_sums", "page_walk")
TRIED = [
    pytest.param(step, dtype, id=f"{step.operation}.{step.name}-{dtype}")
    for name in NAMES
    for step in ladder(name)
    for dtype in step.dtypes
]


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_can_be_imported_by_its_target(step, dtype):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@given(n=st.integers(0, 300), stride=st.integers(1, 400))
def test_strided_sums_use_every_so_manyth_element(n, stride):
    x, stride, out = operation("strided_sum").inputs(n=n, stride=stride, dtype="float64")
    truth = operation("strided_sum").oracle(x, stride, out)
    assert access.used(n, stride) == x[::stride].size
    for step in ladder("strided_sum"):
        step.function(x, stride, out)
        assert difference(out, *truth) is None


def test_numbers_to_sum_cannot_be_changed_by_accident():
    x, _, _ = operation("strided_sum").inputs(n=10, stride=1)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1


def test_numbers_beyond_a_period_repeat():
    x, _, _ = operation("strided_sum").inputs(n=2 * access.PERIOD + 1, stride=1)
    assert x[0] == x[access.PERIOD] == x[-1] and x[1] != x[0]


@pytest.mark.parametrize("stride", [0, -1])
def test_a_stride_below_one_is_refused(stride):
    with pytest.raises(ValueError, match=f"stride is {stride}, expected 1 or more"):
        operation("strided_sum").inputs(n=10, stride=stride)


@pytest.mark.parametrize("step", ladder("strided_sum"), ids=lambda step: step.name)
@pytest.mark.parametrize(("stride", "places"), [(0, 1), (-1, 1), (1, 0), (1, 2)])
def test_kernels_refuse_strides_and_outputs_that_make_no_sense(step, stride, places):
    with pytest.raises(ValueError, match="strided_sum: stride must be at least 1"):
        step.function(np.ones(10), stride, np.zeros(places))


@pytest.mark.parametrize("step", ladder("column_sums"), ids=lambda step: step.name)
@pytest.mark.parametrize("places", [0, 2, 4])
def test_kernels_refuse_an_output_of_another_width(step, places):
    x, _ = operation("column_sums").inputs(rows=5, columns=3)
    with pytest.raises(ValueError, match="column_sums: out must have one element for each"):
        step.function(*step.adapt(x, np.zeros(places, np.float32)))


@pytest.mark.parametrize(
    ("columns", "apart"), [(1, 4096), (16, 4096), (1024, 4096), (1025, 8192), (0, 4096)]
)
def test_rows_lie_a_power_of_two_apart_or_one_line_further(columns, apart):
    x, out = operation("column_sums").inputs(rows=3, columns=columns)
    for adapt, distance in (
        (access.power_of_two_apart, apart),
        (access.one_line_further, apart + access.LINE_BYTES),
    ):
        table, same = adapt(x, out)
        assert same is out
        assert table.strides == (distance, 4)
        assert table.ctypes.data % access.LINE_BYTES == 0 or columns == 0
        np.testing.assert_array_equal(table, x)


@given(rows=st.integers(0, 40), columns=st.integers(0, 40), seed=st.integers(0, 9))
def test_columns_of_any_table_add_up(rows, columns, seed):
    x = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    truth = access.columns_oracle(x, None)
    for step in ladder("column_sums"):
        out = np.full(columns, np.nan, np.float32)
        step.function(*step.adapt(x, out))
        assert difference(out, *truth) is None


@pytest.mark.parametrize(
    ("adapt", "apart"), [(access.one_in_a_line, 64), (access.one_in_a_page, 4160)]
)
def test_records_lie_that_far_apart_and_are_visited_in_the_given_order(adapt, apart):
    order, values, rounds, out = operation("page_walk").inputs(n=129)
    nodes, place, visits, same = adapt(order, values, rounds, out)
    assert same is out and visits == 129
    assert nodes.nbytes == 129 * apart
    visited = []
    for _ in range(129):
        visited.append(int(place) * 8 // apart)
        assert np.int64(nodes[place + np.uint64(1)]) == values[visited[-1]]
        place = nodes[place]
    assert visited == list(order)


def test_rounds_are_walks_of_the_whole_again():
    order, values, rounds, out = operation("page_walk").inputs(n=7, rounds=3)
    for step in ladder("page_walk"):
        step.function(*step.adapt(order, values, rounds, out))
        assert out[0] == 3 * values.sum()


@pytest.mark.parametrize(
    ("name", "steps", "parameters", "flops", "compulsory_bytes"),
    [
        ("strided_sum", ["eight_sums"], {"n": 100, "stride": 16, "dtype": "float32"}, 7, 28),
        ("column_sums", ["padded"], {"rows": 10, "dtype": "float64"}, 160, 8 * (160 + 16)),
        ("page_walk", ["paged"], {"n": 10, "rounds": 4, "dtype": "int64"}, 40, 160),
    ],
)
def test_declared_work_is_that_of_the_elements_used(
    name, steps, parameters, flops, compulsory_bytes
):
    described = case(name, steps, **parameters)
    assert described["flops"] == flops
    assert described["compulsory_bytes"] == compulsory_bytes
