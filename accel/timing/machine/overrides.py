"""Environment variables that make a rival slower than it can be.

`OPENBLAS_CORETYPE=Haswell` on a processor with 512-bit vectors halves NumPy's
matrix product, and every other kernel then looks good beside it. Such variables
are often inherited from a container image or a cluster's start-up script, unseen.
Workers start without them, a record says which were removed, and the machine
card warns where the surrounding shell sets one.

Thread counts are not in this list: the protocol fixes them itself.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Variable -> what it does to the speed of whom.
OVERRIDES: Mapping[str, str] = {
    # BLAS
    "OPENBLAS_CORETYPE": "OpenBLAS uses the kernels of the processor named, not of this one",
    "OPENBLAS_L2_SIZE": "OpenBLAS blocks for an L2 cache of this size, not for the one here",
    "OPENBLAS_BLOCK_FACTOR": "OpenBLAS scales its block sizes by this",
    "MKL_DEBUG_CPU_TYPE": "MKL before 2020.1 takes the code path named",
    "MKL_ENABLE_INSTRUCTIONS": "MKL uses no instructions newer than the set named",
    "MKL_CBWR": "MKL keeps results reproducible at the price of slower code paths",
    "BLIS_ARCH_TYPE": "BLIS uses the kernels of the processor named, not of this one",
    # NumPy
    "NPY_DISABLE_CPU_FEATURES": "NumPy's loops leave the vector instructions named unused",
    "NPY_ENABLE_CPU_FEATURES": "NumPy's loops use only the vector instructions named",
    "NUMPY_MADVISE_HUGEPAGE": "0 refuses huge pages to NumPy's large arrays",
    # Numba
    "NUMBA_DISABLE_JIT": "Numba leaves every function to the interpreter",
    "NUMBA_OPT": "Numba optimises less than at its default level 3",
    "NUMBA_CPU_NAME": "Numba compiles for the processor named, not for this one",
    "NUMBA_CPU_FEATURES": "Numba uses only the vector instructions named",
    "NUMBA_ENABLE_AVX": "0 takes the 256-bit instructions from Numba",
    "NUMBA_LOOP_VECTORIZE": "0 turns Numba's loop vectoriser off",
    "NUMBA_DISABLE_INTEL_SVML": "1 takes vectorised exp and tanh from Numba where installed",
    "NUMBA_BOUNDSCHECK": "1 makes Numba check every index",
    "NUMBA_DEBUGINFO": "1 makes Numba compile for the debugger",
    # The C library
    "GLIBC_TUNABLES": "can take vector instructions from memcpy and from the mathematical library",
    # The interpreter
    "PYTHONDEVMODE": "the interpreter checks every allocation",
    "PYTHONMALLOC": "the interpreter allocates by other means than its fast pools",
    "PYTHONTRACEMALLOC": "the interpreter records every allocation",
}


def overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """Return those of `OVERRIDES` that an environment sets, with their values.

    A variable set to nothing counts as absent: shells use that to unset it.
    """
    return {name: environ[name] for name in OVERRIDES if environ.get(name)}


def clean(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return an environment in which every rival runs as well as it can.

    Parameters
    ----------
    environ : mapping of str to str
        Such as ``os.environ``; left as it is.

    Returns
    -------
    cleaned : dict
        Without any of `OVERRIDES`.
    removed : dict
        What was taken out, for the record.
    """
    cleaned = {name: value for name, value in environ.items() if name not in OVERRIDES}
    return cleaned, overrides(environ)
