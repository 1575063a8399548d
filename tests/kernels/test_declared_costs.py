"""What operations declare, checked against what their kernels do, by running them counted.

Sizes are those of the edge cases that are small and not empty. Kernels on lists and kernels
of vector registers cannot be counted; every operation has others.
"""

import inspect

import numpy as np
import pytest

from accel.agreement import difference
from accel.kernels import kernel, ladder, operation
from accel.kernels.registry import FAMILIES
from accel.timing.counting import CountError, count

#: Larger than this nobody needs to count.
MOST_BYTES, MOST_FLOPS = 3000, 4000

#: Arguments that a declaration leaves out, as its docstring says: they do not grow.
LEFT_OUT = {
    "normalise_image": ("mean", "std"),
    "augment_image": ("mean", "std"),
    "strided_sum": ("out",),
}

#: Operations of which every kernel has data of its own making, laid out as it needs them.
LAID_OUT_ANEW = {"column_sums", "page_walk"}

#: Operations that declare what another does, or whose smallest case is larger than that: the
#: first is counted here under its own name, the second with its own tests.
COUNTED_ELSEWHERE = {"image_layouts", "panels"}


def parameters_of(name, dtype):
    """The largest two edge cases that are small, with an element type if it is a choice."""
    op = operation(name)
    typed = "dtype" in inspect.signature(op.inputs).parameters
    edges = [{**edge, "dtype": dtype} if typed else edge for edge in op.edges]
    small = [
        edge for edge in edges
        if 0 < op.compulsory_bytes(**edge) <= MOST_BYTES and op.flops(**edge) <= MOST_FLOPS
    ]  # fmt: skip
    return sorted(small, key=lambda edge: op.compulsory_bytes(**edge))[-2:]


TRIED = [
    pytest.param(step, id=f"{name}.{step.name}")
    for name in FAMILIES
    for step in ladder(name)
    if step.adapt is None and "planted" not in step.tags
]


def counted(step, parameters):
    """Return the counts of a kernel and its arguments, or None where it cannot be counted."""
    arguments = operation(step.operation).inputs(**parameters)
    expected, tolerance = operation(step.operation).oracle(*arguments)
    try:
        counts = count(step.function, arguments)
    except CountError:
        return None, arguments
    assert difference(arguments[-1], expected, tolerance) is None
    return counts, arguments


@pytest.mark.parametrize("step", TRIED)
def test_declared_bytes_are_the_footprint_of_every_kernel_and_at_most_its_traffic(step):
    op = operation(step.operation)
    for parameters in parameters_of(step.operation, step.dtypes[0]):
        counts, arguments = counted(step, parameters)
        if counts is None:
            return
        arrays = [each for each in arguments if isinstance(each, np.ndarray)]
        named = dict(zip(counts.reads, arrays, strict=True))
        left_out = sum(named[name].nbytes for name in LEFT_OUT.get(step.operation, ()))
        declared = op.compulsory_bytes(**parameters)
        again = sum(arguments[at].nbytes for at in op.mutates)  # read, and written in place
        assert counts.unique_bytes == declared + left_out - again, parameters
        assert counts.total_bytes >= declared, parameters


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - LAID_OUT_ANEW - COUNTED_ELSEWHERE))
def test_every_operation_has_a_kernel_that_can_be_counted(name):
    assert any(
        counted(step, parameters)[0] is not None
        for step in ladder(name)
        if step.adapt is None
        for parameters in parameters_of(name, step.dtypes[0])
    )


#: Kernels that do the arithmetic of the definition and nothing else.
AS_DECLARED = [
    ("matmul", ("array_scalars", "row_times_matrix", "numpy_int64", "ijk", "ikj", "blocked",
                "packed", "blas")),
    ("relu", ("array_scalars", "numpy", "compiled")),
    ("saxpy", ("array_scalars", "numpy", "numpy_out", "compiled")),
    ("gelu", ("array_scalars", "numpy", "numpy_out", "compiled")),
    ("gelu_erf", ("compiled",)),
    ("sigmoid", ("numpy", "numpy_out", "compiled")),
    ("silu", ("numpy", "numpy_out", "compiled")),
    ("exp", ("numpy", "compiled")),
    ("polynomial", ("numpy_out", "compiled")),
    ("normalise_image", ("array_scalars", "numpy", "numpy_out")),
    ("softmax", ("compiled",)),
    ("matvec", ("blas", "compiled")),
    ("conv2d", ("direct",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "step"), [(name, step) for name, steps in AS_DECLARED for step in steps]
)
def test_declared_flops_are_those_that_are_executed(name, step):
    """One for each addition, multiplication, division, comparison and call of tanh or exp."""
    entry = kernel(name, step)
    for parameters in parameters_of(name, entry.dtypes[0]):
        counts, _ = counted(entry, parameters)
        assert counts.flops == operation(name).flops(**parameters), parameters


@pytest.mark.parametrize(
    ("name", "step", "extra"),
    [
        # The distance from the mean is formed again rather than kept.
        ("layernorm", "compiled", lambda rows, width, **_: rows * width),
        # Two products per number, multiplied out, for two divisions and a subtraction; the
        # constants are per image.
        ("normalise_image", "rows", lambda side, width=None, **_: -3 * side * (width or side) + 9),
    ],
)
def test_kernels_that_compute_otherwise_differ_by_a_known_number(name, step, extra):
    entry = kernel(name, step)
    for parameters in parameters_of(name, entry.dtypes[0]):
        counts, _ = counted(entry, parameters)
        assert counts.flops - operation(name).flops(**parameters) == extra(**parameters)
