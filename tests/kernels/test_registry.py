"""The one list of kernels: what it refuses, what it finds, what it tries."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from accel.kernels import case, check, kernel, ladder, operation, registry

VECTOR_OPERATIONS = ("relu", "saxpy", "gelu", "normalise_image")
TRIED = [
    pytest.param(step, dtype, id=f"{step.operation}.{step.name}-{dtype}")
    for name in VECTOR_OPERATIONS
    for step in ladder(name, tag="ladder")
    for dtype in step.dtypes
]


@pytest.fixture
def scratch(monkeypatch):
    """An operation of this test's own, gone afterwards."""
    monkeypatch.setattr(registry, "_operations", dict(registry._operations))
    monkeypatch.setattr(registry, "_kernels", dict(registry._kernels))
    return registry.register_operation(replace(operation("relu"), name="scratch"))


def copy(x, out):
    out[...] = x


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_can_be_imported_by_its_target(step, dtype):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("name", VECTOR_OPERATIONS)
def test_ladder_climbs_from_the_interpreter_to_compiled_code(name):
    ranks = [registry.INSTRUMENTS.index(step.instrument) for step in ladder(name, tag="ladder")]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


@pytest.mark.parametrize("name", VECTOR_OPERATIONS)
def test_case_is_plain_data(name):
    key = "side" if name == "normalise_image" else "n"
    described = case(name, ["loop", "numpy", "compiled"], **{key: 129}, dtype="float64")
    assert json.loads(json.dumps(described)) == described
    assert described["parameters"] == {key: 129, "dtype": "float64"}
    assert described["flops"] > 0
    assert list(described["kernels"]) == ["loop", "numpy", "compiled"]
    assert described["kernels"]["loop"]["adapt"].endswith(":lists")
    assert described["kernels"]["numpy"]["adapt"] is None


@pytest.mark.parametrize("name", VECTOR_OPERATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compulsory_bytes_are_those_of_the_arrays(name, dtype):
    op = operation(name)
    for parameters in op.edges:
        arguments = op.inputs(**parameters, dtype=dtype)
        whole = np.shape(arguments[-1])  # constants are read once, whatever the size
        expected = sum(a.nbytes for a in arguments if np.shape(a) == whole)
        assert op.compulsory_bytes(**parameters, dtype=dtype) == expected


def test_ladder_keeps_only_the_type_or_the_tag_asked_for(scratch):
    registry.register("scratch", instrument="NumPy", story="", dtypes=("float64",))(copy)
    assert [step.name for step in ladder("scratch", dtype="float64")] == ["copy"]
    assert ladder("scratch", dtype="float32") == []
    assert ladder("scratch", tag="ladder") == []


def test_operation_cannot_be_registered_twice():
    with pytest.raises(ValueError, match="'relu' is registered already"):
        registry.register_operation(operation("relu"))


def test_kernel_cannot_be_registered_twice(scratch):
    registry.register("scratch", instrument="NumPy", story="")(copy)
    with pytest.raises(ValueError, match=r"scratch\.copy is registered already"):
        registry.register("scratch", instrument="NumPy", story="")(copy)


def test_unknown_instrument_is_refused_with_the_known_ones(scratch):
    with pytest.raises(ValueError, match="'interpreter', 'NumPy', 'compiled'.*not 'GPU'"):
        registry.register("scratch", instrument="GPU", story="")


def test_kernel_of_an_unknown_operation_is_refused():
    with pytest.raises(KeyError, match="no operation 'sinh'"):
        registry.register("sinh", instrument="NumPy", story="")


def test_unknown_operation_lists_the_choices():
    with pytest.raises(KeyError, match="no operation 'sinh'; there are .*gelu, .*matmul"):
        operation("sinh")


def test_unknown_kernel_lists_the_choices():
    with pytest.raises(KeyError, match=r"no kernel relu\.cuda; there are loop, array_scalars"):
        kernel("relu", "cuda")


def test_check_names_the_input_and_the_element_of_a_wrong_answer():
    complaints = check(copy, "relu")
    assert any(line.startswith("n=129: element [") for line in complaints)
    assert not any(line.startswith("n=0:") for line in complaints)


def test_check_notices_an_element_that_is_left_out():
    def all_but_the_last(x, out):
        np.maximum(x[:-1], 0, out=out[:-1])

    assert "n=1: element [0] is nan, expected" in check(all_but_the_last, "relu")[0]


def test_check_reports_an_exception_and_goes_on():
    def fails_on_seven(x, out):
        np.maximum(x, 0, out=out)
        if x.size == 7:
            raise ValueError("seven")

    assert check(fails_on_seven, "relu") == ["n=7: raised ValueError: seven"]


def test_check_reports_an_answer_without_a_shape():
    def ragged(x, out):
        out[:] = [[0.0], [0.0, 0.0]] * len(x)

    def as_lists(x, out):
        return x.tolist(), out.tolist()

    complaints = check(ragged, "relu", adapt=as_lists)
    assert "raised ValueError" in complaints[0]


def test_relu_that_loses_nan_is_caught():
    def relu(x, out):
        out[...] = x
        out[~(x > 0)] = 0

    assert check(relu, "relu") == [
        "n=127, values=special: element [0] is 0, expected nan ± 0; 15 of 127 elements differ"
    ]
