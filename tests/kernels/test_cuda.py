"""Device kernels give the operation's answer at every edge: on the simulator, and on a device.

The simulator runs each thread in the interpreter. So most shapes here are small, and tiles
too: an edge of a tile of 8 is as ragged as one of 128.
"""

import ctypes
import functools
import subprocess
import sys

import numpy as np
import pytest
import simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.kernels import cuda, registry
from accel.kernels.cuda import devices, products, staging
from accel.timing import Case

MISSING = cuda.missing()
on_a_device = pytest.mark.skipif(MISSING is not None, reason=f"no device: {MISSING}")

#: A tile of 8, slabs of 4, patches of 2: four by four threads.
TINY = {"shape": (8, 4, 2)}

#: What makes tiles small, where there are any.
OPTIONS = {"tiled": {"side": 4}, "register_tiled": TINY}

PRODUCTS = (
    {"m": 0, "k": 3, "n": 2},
    {"m": 3, "k": 0, "n": 2},
    {"n": 1},
    {"m": 2, "k": 3, "n": 5},
    {"m": 7, "k": 8, "n": 9},
    {"m": 17, "k": 4, "n": 8},
    {"m": 16, "k": 5, "n": 15},
    {"m": 9, "k": 7, "n": 10, "order_a": "F", "order_b": "strided", "order_out": "F"},
)
ROWS = (
    {"rows": 0, "width": 5},
    {"rows": 1, "width": 1},
    {"rows": 2, "width": 33},
    {"rows": 3, "width": 127},
    {"rows": 1, "width": 128},
    {"rows": 2, "width": 129},
    {"rows": 4, "width": 35, "values": "special"},
)
LINES = ({"n": 0}, {"n": 1}, {"n": 129}, {"n": 257}, {"n": 127, "values": "special"})
SMALL = {"matmul": PRODUCTS, "softmax": ROWS, "layernorm": ROWS, "gelu": LINES}
STEPS = [
    (step.operation, step.name)
    for operation in cuda.operations()
    for step in cuda.ladder(operation)
    if step.name != "cublas"  # needs CuPy, and CuPy a device
]


@pytest.fixture(scope="module")
def simulated():
    """Run a device kernel on the simulator; what is wrong with its answer."""
    with simulator.simulator() as run:
        yield functools.partial(run, simulator.complaint)


@pytest.mark.parametrize(
    ("operation", "step", "parameters"),
    [(op, name, each) for op, name in STEPS for each in SMALL[op]],
)
def test_every_step_is_right_on_small_shapes(simulated, operation, step, parameters):
    assert simulated(operation, step, "float32", parameters, OPTIONS.get(step)) is None


@pytest.mark.parametrize(("operation", "step"), STEPS)
def test_every_step_is_right_with_double_precision(simulated, operation, step):
    parameters = SMALL[operation][4]
    assert simulated(operation, step, "float64", parameters, OPTIONS.get(step)) is None


@pytest.mark.parametrize("shape", [(8, 4, 4), (16, 8, 4), (16, 2, 4), (16, 4, 8)])
def test_register_tiles_of_any_shape_are_right(simulated, shape):
    parameters = {"m": 19, "k": 11, "n": 18}
    assert simulated("matmul", "register_tiled", "float32", parameters, {"shape": shape}) is None


@pytest.mark.thorough
def test_the_tile_that_is_chosen_for_small_products_is_right(simulated):
    assert simulated("matmul", "register_tiled", "float32", {"m": 3, "k": 9, "n": 5}) is None


@settings(max_examples=20)
@given(m=st.integers(0, 20), k=st.integers(0, 20), n=st.integers(0, 20))
def test_products_of_any_shape_are_right(simulated, m, k, n):
    parameters = {"m": m, "k": k, "n": n}
    assert simulated("matmul", "register_tiled", "float32", parameters, TINY) is None


@pytest.mark.parametrize("parameters", [{"m": 129, "k": 9, "n": 127}, {"m": 1, "k": 17, "n": 130}])
def test_the_large_tile_is_right_beyond_its_edges(simulated, parameters):
    options = {"shape": products.LARGE}
    assert simulated("matmul", "register_tiled", "float32", parameters, options) is None


@pytest.mark.thorough
@pytest.mark.parametrize(("operation", "step"), STEPS)
def test_every_step_is_right_at_the_edges_of_its_operation(simulated, operation, step):
    edges = registry.operation(operation).edges
    bearable = [each for each in edges if operation != "matmul" or terms(**each) < 40_000]
    options = {"side": 8} if step == "tiled" else None  # each thread is one of the interpreter's
    found = {str(e): simulated(operation, step, "float32", e, options) for e in bearable}
    assert {each: complaint for each, complaint in found.items() if complaint} == {}


def terms(n, m=None, k=None, **_):
    """Return the multiply-adds of a product."""
    return n * (n if m is None else m) * (n if k is None else k)


@on_a_device
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("operation", "step"), STEPS)
def test_every_step_is_right_on_a_device(operation, step, dtype):
    op = registry.operation(operation)
    tried = (*op.edges, *op.awkward)
    found = {str(each): simulator.complaint(operation, step, dtype, each) for each in tried}
    assert {each: complaint for each, complaint in found.items() if complaint} == {}


@on_a_device
@pytest.mark.parametrize("operation", cuda.operations())
def test_what_lies_on_a_device_stays_there(operation):
    op = registry.operation(operation)
    arguments = op.inputs(**op.sizes(1 << 16))
    there = cuda.to_device(*arguments)
    cuda.best(operation, "float32").function(*there)
    expected, tolerance = op.oracle(*arguments)
    assert np.isnan(arguments[-1]).all()  # the host's was not touched
    assert np.all(np.abs(there[-1].copy_to_host() - expected) <= tolerance)


@pytest.mark.parametrize(
    ("step", "shapes"),
    [
        ("naive", [(2, 3), (4, 5), (2, 5)]),
        ("tiled", [(2, 3), (3, 5), (2, 4)]),
        ("register_tiled", [(2, 3), (3, 5), (5, 2)]),
        ("register_tiled", [(2, 3), (3,), (2,)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(step, shapes):
    with pytest.raises(ValueError, match=r"expected a \(m, k\)"):
        cuda.step("matmul", step).function(*(np.zeros(shape, "float32") for shape in shapes))


def test_dtypes_that_do_not_fit_are_refused():
    a = np.zeros((2, 2), "float32")
    with pytest.raises(ValueError, match="expected one dtype"):
        cuda.matmul_tiled(a, a.astype("float64"), a)
    with pytest.raises(ValueError, match="expected one dtype"):
        cuda.gelu_strides(np.zeros(3, "int64"), np.zeros(3, "int64"))


def test_a_result_that_cannot_be_written_is_refused():
    out = np.zeros((2, 2), "float32")
    out.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        cuda.matmul_naive(np.zeros_like(out), np.zeros_like(out), out)
    with pytest.raises(ValueError, match="writable"):
        cuda.softmax_online(np.zeros_like(out), out)


def test_weights_must_be_as_wide_as_rows():
    x, weight = np.zeros((2, 3), "float32"), np.zeros(2, "float32")
    with pytest.raises(ValueError, match=r"expected weight of shape \(3,\)"):
        cuda.layernorm_rows(x, weight, weight, np.zeros_like(x))


def assembly(kernel, *dimensions):
    """Return what a device kernel is compiled to; that takes no device, but the compiler."""
    pytest.importorskip("numba_cuda")
    from numba import cuda as numba_cuda
    from numba import float32

    if not devices.finds_compiler():
        pytest.skip(f"no compiler for device code; {cuda.INSTALL} brings it")
    signature = tuple(float32[:, ::1] if each == 2 else float32[::1] for each in dimensions)
    return numba_cuda.compile_ptx(kernel.py_func, signature, cc=(8, 0))[0]


@pytest.mark.parametrize("shape", [products.LARGE, products.SMALL])
def test_the_sums_of_a_thread_stay_in_registers(shape):
    from accel.kernels.cuda import product_kernels

    text = assembly(product_kernels.register_tiled("float32", *shape), 2, 2, 2)
    assert ".local" not in text
    assert text.count("fma.rn.f32") >= shape[2] ** 2


def test_a_thread_of_the_large_tile_loads_four_neighbours_at_a_time():
    from accel.kernels.cuda import product_kernels

    text = assembly(product_kernels.register_tiled("float32", *products.LARGE), 2, 2, 2)
    assert text.count("ld.shared.v4.f32") >= 4 and "ld.shared.f32" not in text


class Lying:
    """An array that claims to lie on a device."""

    def __init__(self, address, shape, strides=None):
        self.shape, self.dtype, self.size = shape, np.dtype("float32"), int(np.prod(shape))
        self.__cuda_array_interface__ = {
            "data": (address, False), "shape": shape, "typestr": "<f4", "strides": strides,
            "version": 3,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("x", "out", "expected"),
    [
        (Lying(0, (4, 4)), Lying(64, (4, 4)), False),
        (Lying(0, (4, 4)), Lying(60, (4, 4)), True),
        (Lying(60, (4, 4)), Lying(0, (4, 4)), True),
        (Lying(0, (2, 2), (32, 16)), Lying(40, (1, 1)), True),
        (Lying(60, (4,), (-4,)), Lying(44, (1,)), False),
        (Lying(60, (4,), (-4,)), Lying(48, (1,)), True),
        (np.zeros(4, "float32"), Lying(0, (4,)), False),
    ],
)
def test_results_on_a_device_are_known_to_overlap(x, out, expected):
    assert staging.overlap(x, out) is expected


def test_a_product_into_its_own_operand_is_refused():
    a, b = Lying(0, (4, 4)), Lying(4096, (4, 4))
    with pytest.raises(ValueError, match="overlap that of a"):
        cuda.matmul_register_tiled(a, b, Lying(32, (4, 4)))


def test_a_result_that_overlaps_its_row_partly_is_refused():
    with pytest.raises(ValueError, match="overlaps it partly"):
        cuda.softmax_online(Lying(0, (4, 4)), Lying(32, (4, 4)))


@pytest.mark.parametrize(
    ("shape", "expected"), [((64, 64), products.SMALL), ((4096, 4096), products.LARGE)]
)
def test_large_tiles_are_taken_where_there_are_enough_of_them(shape, expected):
    assert products.register_shape(shape) == expected


@pytest.mark.parametrize("shape", [products.LARGE, products.SMALL])
def test_threads_share_the_elements_of_a_slab_evenly(shape):
    tile, slab, patch = shape
    threads = (tile // patch) ** 2
    assert tile % patch == 0 and tile * slab % threads == 0 and threads % 32 == 0


class Driver:
    """A driver's library that answers as it is told."""

    def __init__(self, code=0, count=1):
        self.code, self.count = code, count

    def cuInit(self, flags):
        return self.code

    def cuDeviceGetCount(self, where):
        ctypes.cast(where, ctypes.POINTER(ctypes.c_int))[0] = self.count
        return 0


def reason(environ=None, driver=None, *, installed=True, compiles=True, platform="linux"):
    def load(name):
        if driver is None:
            raise OSError(name)
        return driver

    return devices.reason(
        environ or {}, platform=platform, load=load, compiles=lambda: compiles,
        find=lambda name: object() if installed else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (reason(installed=False), "pip install 'accel-book[cuda]'"),
        (reason({"NUMBA_ENABLE_CUDASIM": "1"}), "simulator is on"),
        (reason(platform="darwin"), "no CUDA driver for darwin"),
        (reason(), "no NVIDIA driver was found (libcuda.so.1)"),
        (reason({"NUMBA_CUDA_DRIVER": "elsewhere.so"}), "elsewhere.so"),
        (reason(driver=Driver(code=100)), "sees no device"),
        (reason(driver=Driver(count=0)), "sees no device"),
        (reason(driver=Driver(code=804)), "CUDA error 804"),
        (reason(driver=Driver(), compiles=False), "no compiler"),
    ],
)
def test_what_is_missing_is_said_in_words(found, words):
    assert words in found


def test_nothing_is_missing_where_a_driver_has_a_device():
    assert reason(driver=Driver()) is None
    assert reason({"NUMBA_ENABLE_CUDASIM": "0"}, Driver()) is None


def test_the_ladder_is_loaded_without_numba_cuda():
    told = "import sys; sys.modules['numba.cuda'] = None\n" \
           "from accel.kernels import cuda; print(len(cuda.ladder('matmul')))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True)
    assert done.stdout.strip() == "4", done.stderr


def test_the_ladders_name_operations_of_the_registry_in_order():
    assert [step.name for step in cuda.ladder("matmul", dtype="float32")] == [
        "naive", "tiled", "register_tiled", "cublas",
    ]  # fmt: skip
    assert all(registry.operation(name).name == name for name in cuda.operations())
    assert cuda.ladder("conv2d") == [] and cuda.ladder("matmul", dtype="int64") == []


def test_a_step_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(KeyError, match="there are naive, tiled, register_tiled, cublas"):
        cuda.step("matmul", "warp")


def test_device_kernels_are_measured_as_others_are():
    here = Case(**cuda.case("softmax", ["online"], rows=4, width=8), baseline="online")
    there = Case(**cuda.case("softmax", ["online"], stay=True, rows=4, width=8), baseline="online")
    assert here.kernels["online"]["adapt"] is None
    assert there.kernels["online"]["adapt"] == "accel.kernels.cuda.staging:to_device"
    assert here.kernels["online"]["target"] == "accel.kernels.cuda.fused:softmax_online"
    assert here.compulsory_bytes == 2 * 4 * 8 * 4
