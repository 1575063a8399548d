"""A plugin of pytest: tests of NumPy that make arrays get `accel.Array` instead.

The tests themselves are NumPy's, as they were installed. Before they run, the name ``np`` of
their module is bound to a stand-in that has everything NumPy has, but whose functions that make
arrays return `Array`. Only tests that are listed in `EXCLUSIONS` are left out.

Set ``ACCEL_POLICY`` to the name for `accel.use`. With ``ACCEL_IN_PARTS`` every loop is run in
parts on two threads and into memory that was in use before, however short it is.
"""

import functools
import os
import re
import types

import numpy as np

import accel
from accel.arrays import (
    array,
    chunks,
    contractions,
    functions,
    inner_loops,
    loops,
    moves,
    products,
    reductions,
)

#: Functions that make arrays from something else, or from nothing.
MAKERS = (
    "array asarray asanyarray ascontiguousarray asfortranarray arange linspace logspace zeros "
    "ones empty full eye identity fromiter frombuffer copy require"
).split()

#: Pattern of names of tests -> why they cannot hold.
_MADE = "it looks at how an array was made: here it is a view of the one that NumPy made"
_TYPE = "it asks for the very type ndarray"
EXCLUSIONS: dict[str, str] = {
    r"TestResize::test_(basic|int_shape|freeform_shape|zeros_appended|obj_obj)": _MADE,
    r"TestSizeOf::": _MADE,
    r"TestFlags::test_(writeable_any_base|otherflags)": _MADE,
    r"TestArrayCreationCopyArgument::": _MADE,
    r"TestNewBufferProtocol::test_(roundtrip|padding|padded_struct_array|max_dims)": _MADE,
    r"TestFromBuffer::test_array_base": _MADE,
    r"TestStructured::test_structured_asarray_is_view": _MADE,
    r"::test_interface_nullptr": _MADE,
    r"TestRequire::test_non_array_input": _MADE,
    r"TestClip::test_(array_double|simple_int|type_cast_0[569]|clip_with_out)": _MADE,
    r"TestEinsum::test_einsum_views": _MADE,
    r"TestArrayConstruction::test_array_(as_keyword|signature)\[array\]": "it asks how a maker "
    "of arrays is called, which is a stand-in's",
    r"TestZeroSizeFlexible::test_pickle_with_buffercallback": "only ndarray itself is pickled "
    "without a copy, not its subclasses",
    r"TestPickling::test_f_contiguous_array": "the same",
    r"TestZeroRank::test_real_imag": _TYPE,
    r"TestSubscripting::test_test_zero_rank": _TYPE,
    r"TestRequire::test_ensure_array": _TYPE,
    r"TestOut::test_out_wrap_subok": _TYPE,
    r"TestSpecialMethods::test_priority": _TYPE,
    r"TestUfunc::test_array_wrap_array_priority": _TYPE,
    r"TestUfunc::test_output_ellipsis\[array\]": _TYPE,
    r"TestDtypedescr::test_structured_non_void": "it asks for ndarray's name in a representation",
    r"TestStructured::test_zero_width_string": "the same, and reads it back",
    r"TestSpecialMethods::test_ufunc_override_with_super": "it calls __array_ufunc__ by hand, to "
    "be told that another class is to be asked; here that class is asked at once",
    r"TestSpecialMethods::test_ufunc_override_where": "its class makes plain arrays by np.array, "
    "which here makes others",
    r"TestBinop::test_ufunc_binop_interaction": "it asks which methods ndarray itself has",
    r"::test_equal_subclass_no_override\[M8-d": "of two subclasses the other one names the result "
    "where there is nothing to compare",
}


def pytest_configure(config):
    accel.use(os.environ.get("ACCEL_POLICY", "auto"))
    if os.environ.get("ACCEL_IN_PARTS"):
        array.LONG = loops.LONG = 0
        array.long_from = loops.long_from = {}
        array.MOST_REMEMBERED, reductions.LEAST_ROWS, functions.LEAST_ELEMENTS = 0, 1, 1
        reductions.LEAST_ELEMENTS = dict.fromkeys(reductions.LEAST_ELEMENTS, 1)
        loops.LEAST_BYTES, loops.GRAIN, inner_loops.GRAIN = 1, 1, 1
        loops.WORTH_WAKING_NS = reductions.WORTH_WAKING_NS = 0
        products.LEAST_FLOPS = contractions.LEAST_FLOPS = moves.LEAST_BYTES = 1
        for module in (functions, loops, reductions):
            module.WORTH_SHARING_NS = 0
        chunks.cores = lambda policy: 2


def pytest_collection_modifyitems(config, items):
    for module in {item.module for item in items}:
        module.np = stand_in()
    left_out = [item for item in items if excluded(item.nodeid)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def excluded(nodeid):
    return any(re.search(pattern, nodeid) for pattern in EXCLUSIONS)


@functools.cache
def stand_in():
    """Return a module that is NumPy but for what makes arrays."""
    module = types.ModuleType("numpy")
    module.__getattr__ = functools.partial(getattr, np)
    for name in MAKERS:
        setattr(module, name, _as_array(getattr(np, name)))
    return module


def _as_array(make):
    @functools.wraps(make)
    def made(*args, **keywords):
        result = make(*args, **keywords)
        return result.view(accel.Array) if type(result) is np.ndarray else result

    return made
