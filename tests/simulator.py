"""The CUDA simulator in a process of its own: it must be chosen before numba-cuda is loaded.

Tests hand over the name of a function and plain arguments, and get back what it returns.
"""

import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def simulator():
    """Have a process in which device code runs in the interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result(timeout=300)


def _begin():
    os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
    # The interpreter warns of an overflow or an invalid value; a device computes on.
    warnings.filterwarnings("ignore", category=RuntimeWarning)


def complaint(operation, step, dtype, parameters, options=None):
    """Run a device kernel on one of the operation's inputs; None if the answer is right."""
    from accel.agreement import difference
    from accel.kernels import cuda, registry

    op = registry.operation(operation)
    arguments = op.inputs(**parameters, dtype=dtype)
    expected, tolerance = op.oracle(*arguments)
    cuda.step(operation, step).function(*arguments, **(options or {}))
    return difference(arguments[-1], expected, tolerance)
