"""Layout: every element at its place, bit by bit, and nothing beside it touched."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.kernels import check, ladder, operation
from accel.kernels.layout.registers import by_registers
from accel.kernels.layout.values import SPECIAL, numbers

MATRICES = ("transpose", "aos_to_soa", "soa_to_aos")
IMAGES = ("nchw_to_nhwc", "nhwc_to_nchw", "nchw_to_nchwc", "nchwc_to_nchw")
NAMES = (*MATRICES, *IMAGES)
few = settings(deadline=None, max_examples=25)  # the first call compiles

BORDER = 64


def steps(*names, instruments=("interpreter", "NumPy", "compiled"), dtype=None):
    return [
        pytest.param(step, id=f"{name}.{step.name}")
        for name in names
        for step in ladder(name, dtype=dtype)
        if step.instrument in instruments
    ]


def bordered(shape, dtype, value):
    """Return an array inside a larger one full of a value, and the larger one."""
    size = int(np.prod(shape))
    host = np.full(size + 2 * BORDER, value, dtype)
    return host[BORDER : BORDER + size].reshape(shape), host


def run(step, x, out):
    own = step.adapt(x, out) if step.adapt else (x, out)
    step.function(*own)
    return np.asarray(own[-1])


@pytest.mark.parametrize(
    ("step", "dtype"),
    [
        pytest.param(param.values[0], dtype, id=f"{param.id}-{dtype}")
        for param in steps(*NAMES)
        for dtype in param.values[0].dtypes
    ],
)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("step", steps(*NAMES))
def test_every_kernel_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("step", steps(*MATRICES, instruments=("compiled",), dtype="float32"))
@few
@given(rows=st.integers(0, 70), columns=st.integers(0, 70), wide=st.booleans())
def test_any_matrix_is_turned_and_nothing_beside_it_touched(step, rows, columns, wide):
    dtype = "float64" if wide else "float32"
    x, around_x = bordered((rows, columns), dtype, np.nan)
    x[...] = numbers((rows, columns), dtype)
    out, around_out = bordered((columns, rows), dtype, 7.5)
    step.function(x, out)
    np.testing.assert_array_equal(out, x.T)
    assert_border(around_out, 7.5)
    assert_border(around_x, np.nan)


@pytest.mark.parametrize("step", steps(*IMAGES, instruments=("compiled",), dtype="float32"))
@few
@given(
    batch=st.integers(0, 3),
    channels=st.integers(0, 40),
    side=st.integers(0, 5),
    width=st.integers(0, 20),
    wide=st.booleans(),
)
def test_any_images_are_turned_and_nothing_beside_them_touched(
    step, batch, channels, side, width, wide
):
    dtype = "float64" if wide else "float32"
    op = operation(step.operation)
    given_x, given_out = op.inputs(
        batch=batch, channels=channels, side=side, width=width, dtype=dtype
    )
    x, _ = bordered(given_x.shape, dtype, np.nan)
    x[...] = given_x
    out, around_out = bordered(given_out.shape, dtype, 7.5)
    expected, _ = op.oracle(x, out)
    step.function(x, out)
    np.testing.assert_array_equal(out, expected)
    assert_border(around_out, 7.5)


def assert_border(host, value):
    np.testing.assert_array_equal(host[:BORDER], value)
    np.testing.assert_array_equal(host[-BORDER:], value)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 5) | st.integers(60, 300) | st.integers(512, 800),
    columns=st.integers(1, 5) | st.integers(16, 70),
    shift=st.integers(0, 16),
    apart=st.sampled_from([0, 1, 16]),
    wide=st.booleans(),
)
def test_lines_past_the_caches_go_where_they_belong(rows, columns, shift, apart, wide):
    """Whatever the place of `out` in its lines, and the distance of its rows."""
    dtype = "float64" if wide else "float32"
    x, _ = bordered((rows, columns), dtype, np.nan)
    x[...] = numbers((rows, columns), dtype)
    pitch = rows + apart * (rows > 4)  # slim ones are written together: no room between
    host = np.full(2 * BORDER + shift + columns * pitch, 7.5, dtype)
    out = host[BORDER + shift :]
    by_registers(x.reshape(-1), 0, columns, out, 0, pitch, rows, columns, rows, True)
    got = out[: columns * pitch].reshape(columns, pitch)
    np.testing.assert_array_equal(got[:, :rows], x.T)
    np.testing.assert_array_equal(got[:, rows:], 7.5)
    np.testing.assert_array_equal(host[: BORDER + shift], 7.5)
    np.testing.assert_array_equal(out[columns * pitch :], 7.5)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(16, 70) | st.integers(480, 530),
    columns=st.integers(16, 70) | st.integers(2000, 2050),
    shift=st.integers(0, 16),
    wide=st.booleans(),
)
def test_runs_past_the_caches_end_where_the_matrix_does(rows, columns, shift, wide):
    """Matrices near and beyond the sizes that are read in order first, one after another."""
    dtype = "float64" if wide else "float32"
    host_x, _ = bordered((rows * columns,), dtype, np.nan)
    host_x[...] = numbers((rows * columns,), dtype)
    host = np.full(2 * BORDER + shift + rows * columns, 7.5, dtype)
    out = host[BORDER + shift :]
    by_registers(host_x, 0, columns, out, 0, rows, rows, columns, rows, True)
    got = out[: rows * columns].reshape(columns, rows)
    np.testing.assert_array_equal(got, host_x.reshape(rows, columns).T)
    np.testing.assert_array_equal(host[: BORDER + shift], 7.5)
    np.testing.assert_array_equal(out[rows * columns :], 7.5)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("shift", [0, 5])
@pytest.mark.parametrize(("rows", "columns"), [(64, 40), (257, 131), (300, 128)])
@pytest.mark.parametrize(("dtype", "pitch"), [("float32", 1023), ("float64", 513)])
def test_rows_that_compete_for_the_cache_are_turned(dtype, pitch, rows, columns, shift, streaming):
    """Both matrices are parts of larger ones, whose rows are about 4096 bytes apart."""
    x = numbers((rows, pitch), dtype)
    host = np.full(2 * BORDER + shift + columns * pitch, 7.5, dtype)
    out = host[BORDER + shift :]
    by_registers(x.reshape(-1), 0, pitch, out, 0, pitch, rows, columns, rows, streaming)
    got = out[: columns * pitch].reshape(columns, pitch)
    np.testing.assert_array_equal(got[:, :rows], x[:, :columns].T)
    np.testing.assert_array_equal(got[:, rows:], 7.5)
    np.testing.assert_array_equal(host[: BORDER + shift], 7.5)
    np.testing.assert_array_equal(out[columns * pitch :], 7.5)


@pytest.mark.parametrize("columns", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_columns_are_not_read_beyond_the_last_row(dtype, columns):
    """Whether a register fits at the last row or what is there ends before."""
    for ends in (columns, 20):
        host = np.full(39 * 20 + ends, np.nan, dtype)
        x = host.copy()
        for i in range(40):
            x[i * 20 : i * 20 + columns] = numbers((40, columns), dtype)[i]
        out = np.full(columns * 40 + 2 * BORDER, 7.5, dtype)
        by_registers(x, 0, 20, out, BORDER, 40, 40, columns, 40, False)
        got = out[BORDER:-BORDER].reshape(columns, 40)
        np.testing.assert_array_equal(got, numbers((40, columns), dtype).T)
        assert_border(out, 7.5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("block", [2, 4, 8, 16])
@pytest.mark.parametrize("name", ["nchw_to_nchwc", "nchwc_to_nchw"])
def test_blocks_that_are_mostly_missing(name, block, channels):
    op = operation(name)
    for dtype in ("float32", "float64"):
        x, out = op.inputs(batch=2, channels=channels, side=7, block=block, dtype=dtype)
        expected, _ = op.oracle(x, out)
        for step in ladder(name, dtype=dtype, tag="best"):
            out[...] = np.nan
            step.function(x, out)
            np.testing.assert_array_equal(out, expected, err_msg=step.name)


@pytest.mark.parametrize("side", [7, 13, 14])
@pytest.mark.parametrize("channels", [3, 40, 64])
@pytest.mark.parametrize("name", IMAGES)
def test_many_small_images_past_the_caches_stay_apart(name, channels, side):
    op = operation(name)
    batch = (1 << 23) // (8 * channels * side * side) + 3
    x, out = op.inputs(batch=batch, channels=channels, side=side, dtype="float32")
    expected, _ = op.oracle(x, out)
    for step in ladder(name, dtype="float32")[-2:]:
        out[...] = np.nan
        step.function(x, out)
        np.testing.assert_array_equal(out, expected, err_msg=step.name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps(*MATRICES, instruments=("NumPy", "compiled")))
def test_bits_are_left_as_they_are(step, dtype):
    word = {"float32": np.uint32, "float64": np.uint64}[dtype]
    x = np.resize(np.array(SPECIAL, dtype), (37, 21))
    x.view(word)[::5] |= 3  # another payload of NaN, another small number
    out = np.zeros((21, 37), dtype)
    step.function(x, out)
    np.testing.assert_array_equal(out.view(word), x.view(word).T)


@pytest.mark.parametrize("name", MATRICES)
def test_all_steps_agree_on_what_a_large_matrix_becomes(name):
    slim = 400_011, 3
    shape = {"transpose": (1027, 1033), "aos_to_soa": slim, "soa_to_aos": slim[::-1]}[name]
    x = numbers(shape, "float32")
    for step in ladder(name, dtype="float32"):
        if step.instrument == "compiled":
            out = np.zeros(shape[::-1], "float32")
            step.function(x, out)
            np.testing.assert_array_equal(out, x.T, err_msg=step.name)


@pytest.mark.parametrize(("channels", "side"), [(3, 401), (64, 101)])
@pytest.mark.parametrize("name", IMAGES)
def test_all_steps_agree_on_what_large_images_become(name, channels, side):
    op = operation(name)
    x, out = op.inputs(batch=2, channels=channels, side=side, dtype="float32")
    expected, _ = op.oracle(x, out)
    for step in ladder(name, dtype="float32"):
        if step.instrument == "compiled":
            out[...] = np.nan
            step.function(x, out)
            np.testing.assert_array_equal(out, expected, err_msg=step.name)


@pytest.mark.parametrize("step", steps(*MATRICES, instruments=("compiled",)))
def test_compiled_kernels_refuse_matrices_that_do_not_fit(step):
    x = np.zeros((5, 4), "float32")
    for shape in ((4, 6), (5, 4), (3, 5)):
        with pytest.raises(ValueError, match=f"^{step.operation}: out must have"):
            step.function(x, np.zeros(shape, "float32"))


@pytest.mark.parametrize("step", steps(*IMAGES, instruments=("compiled",)))
def test_compiled_kernels_refuse_images_that_do_not_fit(step):
    x, out = operation(step.operation).inputs(batch=2, channels=20, side=4, width=3)
    for axis in range(out.ndim - 1):
        wrong = np.zeros([size + (at == axis) * 16 for at, size in enumerate(out.shape)], "float32")
        with pytest.raises(ValueError, match=f"^{step.operation}: .* must have"):
            step.function(x, wrong)


@pytest.mark.parametrize("name", NAMES)
def test_ladder_climbs_from_the_interpreter_to_compiled_code(name):
    ranks = [
        ("interpreter", "NumPy", "compiled").index(step.instrument)
        for step in ladder(name, tag="ladder")
    ]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("working_set_bytes", [1 << 12, 1 << 20, 1 << 28])
def test_sizes_keep_about_so_many_bytes(name, working_set_bytes):
    op = operation(name)
    got = op.compulsory_bytes(**op.sizes(working_set_bytes))
    assert 0.5 * working_set_bytes <= got <= 1.1 * working_set_bytes


def test_missing_channels_of_a_ragged_block_are_zero():
    x, out = operation("nchw_to_nchwc").inputs(batch=1, channels=5, side=2, block=8)
    for step in ladder("nchw_to_nchwc", dtype="float32"):
        got = run(step, x, np.full_like(out, np.nan))
        np.testing.assert_array_equal(got[..., 5:], 0, err_msg=step.name)


def test_values_tell_where_they_came_from():
    x = numbers((200, 300), "float32")
    assert np.unique(x).size == x.size
    with pytest.raises(ValueError, match="'odd'"):
        numbers((2,), "float32", "odd")
