"""What pooling computes: inputs, the right answers, their cost."""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.convolution.shapes import places, touched
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register_operation

EDGES = (
    {"side": 4, "channels": 1, "batch": 0},
    {"side": 4, "channels": 0},
    {"side": 1, "channels": 2},
    {"side": 2, "channels": 1},
    {"side": 1, "channels": 2, "kernel": 1, "stride": 1},
    {"side": 4, "channels": 3, "batch": 2, "width": 6},
    {"side": 5, "channels": 2, "width": 127},
    {"side": 4, "channels": 1, "width": 128},
    {"side": 4, "channels": 1, "width": 129, "stride": 1},
    {"side": 7, "channels": 2, "kernel": 3, "stride": 1, "padding": 1, "width": 19},
    {"side": 8, "channels": 2, "kernel": 3, "padding": 1, "width": 67},
    {"side": 9, "channels": 3, "kernel": 3, "stride": 3},
    {"side": 11, "channels": 2, "kernel": 5, "stride": 3, "padding": 2},
    {"side": 9, "channels": 1, "kernel": 2, "stride": 4},
    {"side": 6, "channels": 2, "kernel": 3, "padding": 1, "values": "special"},
    {"side": 4, "channels": 3, "width": 140, "values": "special"},
)

AWKWARD = (
    {"side": 57, "channels": 65},
    {"side": 113, "channels": 33, "kernel": 3, "padding": 1},
    {"side": 55, "channels": 96, "kernel": 3, "stride": 2},
    {"side": 15, "channels": 511, "kernel": 3, "stride": 1, "padding": 1},
)

#: NaN, infinities and zeros among ordinary numbers.
SPECIAL = (np.nan, 1.0, -np.inf, -np.inf, -0.0, 0.0, 2.0, np.inf, -1e-40, 3.0, 1e-40, -3.0, 0.5)


def _shapes(side, channels, batch=1, width=None, kernel=2, stride=2, padding=0, **_) -> tuple:
    """Return the shapes of `x` and `out`."""
    width = side if width is None else width
    down, across = places(side, kernel, stride, padding), places(width, kernel, stride, padding)
    return (batch, channels, side, width), (batch, channels, down, across)


def pool_inputs(
    side: int, channels: int, dtype: str = "float32", values: str = "normal", **more
) -> tuple:
    """Return ``(x, kernel, stride, padding, out)``.

    Parameters
    ----------
    side, channels : int
        Height and width of the images, and their channels.
    batch, width : int, optional
        One image, a square one, unless given.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side; 2, 2 and 0.
    values : {"normal", "special"}
        "special" repeats `SPECIAL`.
    """
    shape, result = _shapes(side, channels, **more)
    x = normal(shape, dtype, seed=1)
    if values == "special":
        x = np.resize(np.array(SPECIAL, dtype), shape)
    return (
        x,
        more.get("kernel", 2),
        more.get("stride", 2),
        more.get("padding", 0),
        blank(result, dtype),
    )


def _windows(x, kernel: int, stride: int, padding: int, out_shape, border: float) -> np.ndarray:
    """Return all windows in float64, as a view with two more axes."""
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    wide = np.pad(x.astype(np.float64), around, constant_values=border)
    if 0 in out_shape:
        return np.empty((*out_shape, kernel, kernel))
    seen = np.lib.stride_tricks.sliding_window_view(wide, (kernel, kernel), axis=(2, 3))
    return seen[:, :, ::stride, ::stride]


def max_pool2d_oracle(x, kernel, stride, padding, out) -> tuple:
    """Return the exact answer: nothing is rounded."""
    seen = _windows(x, kernel, stride, padding, out.shape, -np.inf)
    return seen.max(axis=(4, 5)), 0.0


def avg_pool2d_oracle(x, kernel, stride, padding, out) -> tuple:
    """Return the mean in float64, and the error of a sum of so many numbers and a division."""
    seen = _windows(x, kernel, stride, padding, out.shape, 0.0)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as it should be
        expected = seen.mean(axis=(4, 5))
    size = np.where(np.isfinite(seen), np.abs(seen), 0.0).mean(axis=(4, 5))
    about = np.finfo(x.dtype)
    return expected, about.eps / 2 * (kernel**2 + 1) * size + 2 * float(about.smallest_subnormal)


def max_pool2d_flops(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Each number under a window but one is compared."""
    return math.prod(_shapes(side, channels, **more)[1]) * (more.get("kernel", 2) ** 2 - 1)


def avg_pool2d_flops(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Each number under a window but one is added, and the sum divided."""
    return math.prod(_shapes(side, channels, **more)[1]) * more.get("kernel", 2) ** 2


def pool_bytes(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Read `x` where windows see it, write `out`."""
    x, out = _shapes(side, channels, **more)
    window = (more.get("kernel", 2), more.get("stride", 2), more.get("padding", 0))
    seen = x[0] * x[1] * touched(x[2], *window) * touched(x[3], *window)
    return (seen + math.prod(out)) * np.dtype(dtype).itemsize


def pool_sized(working_set_bytes: int) -> dict:
    """Return images for windows of 2 x 2: more channels, then larger images."""
    side = 14 if working_set_bytes < 2**18 else 56 if working_set_bytes < 2**24 else 112
    return {"side": side, "channels": max(1, working_set_bytes // (5 * side**2))}


for _name, _oracle, _flops in (
    ("max_pool2d", max_pool2d_oracle, max_pool2d_flops),
    ("avg_pool2d", avg_pool2d_oracle, avg_pool2d_flops),
):
    register_operation(
        Operation(
            _name,
            pool_inputs,
            _oracle,
            _flops,
            pool_bytes,
            EDGES,
            sizes=pool_sized,
            awkward=AWKWARD,
            signature=(0, 1, 2, 3),
        )
    )
