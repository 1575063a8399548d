"""What the convolutions have in common: shapes, inputs, the answer, the cost.

A filter of ``kernel`` x ``kernel`` numbers visits every `stride`-th place of an image with
`padding` zeros around it. As in neural networks the filter is not flipped, which
mathematics calls a cross-correlation.

Each layout of memory is described by two functions that turn arrays into views with the
axes (batch, channels, height, width) and (filters, channels, height, width); what is right
does not depend on how it lies in memory.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.inputs import blank, normal

#: Rows and columns of a filter, unless a parameter says otherwise.
TAPS = 3

EDGES = (
    {"side": 3, "channels": 1, "batch": 0},
    {"side": 5, "channels": 0, "filters": 2},
    {"side": 5, "channels": 2, "filters": 0},
    {"side": 2, "channels": 2},
    {"side": 3, "channels": 1},
    {"side": 4, "channels": 2, "filters": 3},
    {"side": 5, "channels": 3, "filters": 2, "batch": 2, "width": 7},
    {"side": 3, "channels": 1, "width": 127},
    {"side": 4, "channels": 1, "filters": 2, "width": 128},
    {"side": 3, "channels": 2, "width": 129},
    {"side": 9, "channels": 17, "filters": 1},
    {"side": 1, "channels": 2, "kernel": 1},
    {"side": 7, "channels": 3, "filters": 9, "kernel": 1, "width": 19},
    {"side": 9, "channels": 5, "kernel": 1, "stride": 2},
    {"side": 7, "channels": 3, "filters": 17, "padding": 1, "batch": 2},
    {"side": 8, "channels": 2, "filters": 9, "padding": 1, "stride": 2, "width": 35},
    {"side": 11, "channels": 2, "filters": 3, "kernel": 5, "padding": 3, "stride": 3},
    {"side": 2, "channels": 1, "filters": 2, "kernel": 2, "padding": 2},
)

#: Channels of no whole register, widths of no whole tile, a first layer, a large stride.
AWKWARD = (
    {"side": 55, "channels": 13, "filters": 37, "padding": 1},
    {"side": 224, "channels": 3, "filters": 64, "kernel": 7, "stride": 2, "padding": 3},
    {"side": 27, "channels": 96, "filters": 100, "kernel": 5, "padding": 2},
    {"side": 13, "channels": 129, "filters": 127, "padding": 1},
    {"side": 7, "channels": 511, "filters": 65, "kernel": 1},
)


def places(length: int, kernel: int, stride: int, padding: int) -> int:
    """Return in how many places a filter fits along a side of this length."""
    return max(0, (length + 2 * padding - kernel) // stride + 1)


def of(
    side: int,
    channels: int,
    filters: int | None = None,
    batch: int = 1,
    width: int | None = None,
    kernel: int = TAPS,
    stride: int = 1,
    padding: int = 0,
) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of `x`, `weight` and `out`, channels first.

    Parameters
    ----------
    side, channels : int
        Height and width of the images, and their channels.
    filters, batch, width : int, optional
        As many filters as channels, one image, a square one, unless given.
    kernel, stride, padding : int
        Side of a filter, distance between places, zeros on each side.
    """
    filters = channels if filters is None else filters
    width = side if width is None else width
    return (
        (batch, channels, side, width),
        (filters, channels, kernel, kernel),
        (
            batch,
            filters,
            places(side, kernel, stride, padding),
            places(width, kernel, stride, padding),
        ),
    )


def check(op: str, x, weight, stride: int, padding: int, out) -> None:
    """Refuse shapes, channels first, that do not fit together.

    Raises
    ------
    ValueError
        Naming the shape that `out` should have, if it is that.
    """
    if stride < 1 or padding < 0:
        raise ValueError(f"{op}: stride must be at least 1 and padding at least 0")
    if x[1] != weight[1]:
        raise ValueError(f"{op}: weight must have {x[1]} channels as x has, not {weight[1]}")
    sides = (places(x[at], weight[at], stride, padding) for at in (2, 3))
    expected = (x[0], weight[0], *sides)
    if tuple(out) != expected:
        raise ValueError(f"{op}: out must be of shape {expected}, channels first, not {tuple(out)}")


def inputs(dtype: str, stride: int = 1, padding: int = 0, **sizes) -> tuple:
    """Return ``(x, weight, stride, padding, out)``, channels first."""
    x, weight, out = of(stride=stride, padding=padding, **sizes)
    return (
        normal(x, dtype, seed=1),
        normal(weight, dtype, seed=2),
        stride,
        padding,
        blank(out, dtype),
    )


def answer(x, weight, stride: int, padding: int, out_shape: tuple[int, ...]) -> tuple:
    """Return the answer in float64, and the error each element may have.

    Each element is a sum of ``kernel**2 channels`` products, so the error is that of a
    product of matrices: see `accel.kernels.matmul.oracle`.
    """
    error = np.finfo(x.dtype).eps / 2 * (8 + 2 * math.sqrt(math.prod(weight.shape[1:])))
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    x, weight = np.pad(x.astype(np.float64), around), weight.astype(np.float64)
    expected, magnitude = np.zeros(out_shape), np.zeros(out_shape)
    height, width = (stride * size for size in out_shape[2:])
    for i, j in np.ndindex(weight.shape[2:]):
        seen = x[:, :, i : i + height : stride, j : j + width : stride]
        seen = seen[:, :, : out_shape[2], : out_shape[3]]
        expected += np.einsum("bchw,fc->bfhw", seen, weight[:, :, i, j])
        magnitude += np.einsum("bchw,fc->bfhw", np.abs(seen), np.abs(weight[:, :, i, j]))
    return expected, error * magnitude


def flops(dtype: str = "float32", **sizes) -> int:
    """A multiplication and an addition for each filter element at each place.

    Also where it lies over the padding, as is the custom.
    """
    _, weight, out = of(**sizes)
    return 2 * math.prod(weight[1:]) * math.prod(out)


def touched(length: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many numbers along a side are under a filter at some place."""
    starts = range(-padding, -padding + stride * places(length, kernel, stride, padding), stride)
    return len({at for start in starts for at in range(max(start, 0), min(start + kernel, length))})


def compulsory_bytes(dtype: str = "float32", **sizes) -> int:
    """Read `x` where filters see it, and `weight`; write `out`; nothing if that is empty."""
    x, weight, out = of(**sizes)
    if 0 in out:
        return 0
    step = (weight[2], sizes.get("stride", 1), sizes.get("padding", 0))
    seen = x[0] * x[1] * touched(x[2], *step) * touched(x[3], *step)
    return (seen + math.prod(weight) + math.prod(out)) * np.dtype(dtype).itemsize


def sized(working_set_bytes: int) -> dict:
    """Return a 3 x 3 convolution of about so many bytes: more channels, then larger images."""
    channels = 16 if working_set_bytes < 2**18 else 64
    numbers = max(working_set_bytes / 4 - 9 * channels**2, 2 * channels * 36)
    side = max(6, round(math.sqrt(numbers / (2 * channels))))
    return {"side": side, "channels": channels, "padding": 1}


def nested(*arguments):
    """Turn arrays into nested lists, for the plain loops; stride and padding stay."""
    return tuple(each.tolist() if isinstance(each, np.ndarray) else each for each in arguments)


def padded(x: np.ndarray, padding: int, first: int = 2) -> np.ndarray:
    """Return images with zeros around them, or themselves; axes `first` and the next are sides."""
    if padding == 0:
        return x
    shape = list(x.shape)
    shape[first] += 2 * padding
    shape[first + 1] += 2 * padding
    around = np.zeros(shape, x.dtype)
    inside = [slice(None)] * x.ndim
    inside[first] = inside[first + 1] = slice(padding, -padding)
    around[tuple(inside)] = x
    return around
