"""Is there a device that runs CUDA, and if not, why, and what would change that?

The answer is found without loading numba-cuda where there is no driver: a machine without a
device pays a look for two files, not the import of a compiler.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec

#: What brings everything that is needed beside the driver.
INSTALL = "pip install 'accel-book[cuda]'"

_DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}

#: What cuInit returns where there is a driver and nothing to drive.
_NO_DEVICE = 100


def missing() -> str | None:
    """Return None if there is a device to compute on, else the reason and what to do."""
    return _missing_once(os.environ.get("NUMBA_ENABLE_CUDASIM", ""))


@functools.cache
def _missing_once(simulator: str) -> str | None:
    return reason({**os.environ, "NUMBA_ENABLE_CUDASIM": simulator})


@functools.cache
def cupy_missing() -> str | None:
    """Return None if CuPy can be loaded, else the reason and what to do."""
    if find_spec("cupy") is None:
        return f"CuPy is not installed; {INSTALL} brings it"
    try:
        import_module("cupy")
    except ImportError as error:
        return f"CuPy cannot be loaded ({error}); {INSTALL} brings one that fits"
    return None


def reason(
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    find: Callable[[str], object | None] = find_spec,
    load: Callable[[str], object] = ctypes.CDLL,
    compiles: Callable[[], bool] | None = None,
) -> str | None:
    """Return why there is no device to compute on, or None if there is one.

    Parameters
    ----------
    environ : mapping
        Variables of the environment.
    platform : str
        As `sys.platform`.
    find, load : callable
        Which module there is; the driver's library, by its name.
    compiles : callable, optional
        Whether numba-cuda finds its compiler; asked last.
    """
    if find("numba_cuda") is None:
        return f"numba-cuda is not installed; {INSTALL} brings it"
    if environ.get("NUMBA_ENABLE_CUDASIM", "") not in ("", "0"):
        return (
            "the CUDA simulator is on, which runs device code in the interpreter, for tests; "
            "unset NUMBA_ENABLE_CUDASIM to use a device"
        )
    name = environ.get("NUMBA_CUDA_DRIVER") or _DRIVERS.get(platform)
    if name is None:
        return f"NVIDIA has no CUDA driver for {platform}; use a machine with Linux or Windows"
    try:
        driver = load(name)
    except OSError:
        return (
            f"no NVIDIA driver was found ({name}); install the one for your GPU from "
            "nvidia.com/drivers, or use a machine that has one"
        )
    found = _without_device(driver)
    if found is None and not (compiles or finds_compiler)():
        return f"numba-cuda finds no compiler for device code (NVVM and NVRTC); {INSTALL} brings it"
    return found


def _without_device(driver) -> str | None:
    """Return why the driver has no device to offer, or None if it has one."""
    code, count = driver.cuInit(0), ctypes.c_int(0)
    if code == 0:
        code = driver.cuDeviceGetCount(ctypes.byref(count))
    if code == _NO_DEVICE or (code == 0 and count.value == 0):
        return (
            "the NVIDIA driver sees no device; check nvidia-smi, and CUDA_VISIBLE_DEVICES if it "
            "is set"
        )
    if code != 0:
        return (
            f"the NVIDIA driver failed to start with CUDA error {code}; check nvidia-smi, and "
            "that driver and GPU fit each other"
        )
    return None


def finds_compiler() -> bool:
    """Return whether numba-cuda finds the libraries that compile device code."""
    from numba.cuda.cudadrv import nvvm

    if not nvvm.is_available():
        return False
    try:
        pathfinder = import_module("cuda.pathfinder")
    except ImportError:  # earlier versions have looked already
        return True
    try:
        for name in ("nvvm", "nvrtc"):
            pathfinder.load_nvidia_dynamic_lib(name)
    except pathfinder.DynamicLibNotFoundError:
        return False
    return True
