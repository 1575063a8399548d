"""Convolutions and pooling of images, with PyTorch's names and meanings."""

from __future__ import annotations

import operator

import numpy as np

from accel.ops.arguments import array, delivered, kernel_for, room

LAYOUTS = ("NCHW", "NHWC")


def conv2d(
    x,
    weight,
    bias=None,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the sums of products of filters and what of an image lies under them.

    Filters are not flipped, as is usual in neural networks.

    Parameters
    ----------
    x : array-like, shape (batch, channels, height, width), float32 or float64
        Images; with ``layout="NHWC"`` of shape (batch, height, width, channels).
    weight : array-like, shape (filters, channels / groups, rows, columns)
        Filters, of the dtype of `x`, in either layout.
    bias : array-like, shape (filters,), optional
        Added to all results of a filter.
    stride : int
        Distance between neighbouring places of a filter, in both directions.
    padding : int
        Zeros around each image, on every side.
    groups : int
        Into how many parts channels and filters are divided, of which each filter sees one;
        with as many groups as channels and filters, see `depthwise_conv2d`. One for NHWC.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `x` and of the result.
    out : ndarray, optional
        Where to write; may overlap the inputs.

    Returns
    -------
    ndarray, shape (batch, filters, down, across), or (batch, down, across, filters) for NHWC
        `out`, or a new array; ``down = (height + 2 padding - rows) // stride + 1``, `across`
        likewise. A weight that is infinite or NaN may give NaN where it meets padding. Filters
        of 3 x 3 float32 with enough channels go by Winograd's transformation, whose error is
        relative to the largest of 4 x 4 neighbouring numbers.

    Raises
    ------
    TypeError
        If an array is of another element type, or a number is not whole.
    ValueError
        If shapes do not agree, a filter is larger than the padded image, `stride` is below 1,
        `padding` below 0, `groups` divides not both channels and filters, `layout` is unknown,
        or `out` is read-only or of another shape.

    Cost
    ----
    ``2 rows columns channels / groups`` FLOPs per result, 2.25 times fewer by Winograd's
    transformation; a bias is another pass over the result. NHWC reads weights in the order (rows,
    columns, channels, filters): a transposed view of such an array is not copied.

    Source
    ------
    Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> x, weight = np.ones((1, 3, 8, 8)), np.ones((4, 3, 3, 3))
    >>> accel.conv2d(x, weight, padding=1)[0, 0, 0, :3]
    array([12., 18., 18.])
    """
    if layout not in LAYOUTS:
        raise ValueError(f'conv2d: layout must be "NCHW" or "NHWC", got {layout!r}')
    last = layout == "NHWC"
    x = array("conv2d", "x", x, ndim=4)
    weight = array("conv2d", "weight", weight, ndim=4, like=x, contiguous=not last)
    stride, padding = _move("conv2d", stride, padding)
    groups = _whole("conv2d", "groups", groups, 1)
    if groups > 1 and last:
        raise ValueError(f'conv2d: groups must be 1 with layout "NHWC", got {groups}')
    channels, height, width = (x.shape[at] for at in ((3, 1, 2) if last else (1, 2, 3)))
    _check_channels(channels, weight.shape, groups)
    sides = _sides("conv2d", (height, width), weight.shape[2:], stride, padding)
    filters = weight.shape[0]
    bias = _bias("conv2d", bias, filters, x)
    shape = (x.shape[0], *sides, filters) if last else (x.shape[0], filters, *sides)
    y = room("conv2d", out, shape, x.dtype, reads=_given(x, weight, bias))
    if last:
        weight = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
        kernel_for("conv2d_nhwc", x.dtype)(x, weight, stride, padding, y)
    elif groups == 1:
        kernel_for("conv2d", x.dtype)(x, weight, stride, padding, y)
    else:
        _grouped(x, weight, stride, padding, groups, y)
    if bias is not None:
        np.add(y, bias if last else bias[:, None, None], out=y)
    return delivered(y, out)


def depthwise_conv2d(
    x, weight, bias=None, stride: int = 1, padding: int = 0, out: np.ndarray | None = None
) -> np.ndarray:
    """Return the convolution of each channel with a filter of its own.

    The same as `conv2d` with as many groups and filters as channels.

    Parameters
    ----------
    x : array-like, shape (batch, channels, height, width), float32 or float64
    weight : array-like, shape (channels, 1, rows, columns)
        Of the dtype of `x`.
    bias : array-like, shape (channels,), optional
        Added to all results of a channel.
    stride, padding, out
        As for `conv2d`.

    Returns
    -------
    ndarray, shape (batch, channels, down, across)
        `out`, or a new array.

    Raises
    ------
    TypeError, ValueError
        As for `conv2d`.

    Cost
    ----
    ``2 rows columns`` FLOPs per result.
    """
    op = "depthwise_conv2d"
    x = array(op, "x", x, ndim=4)
    weight = array(op, "weight", weight, ndim=4, like=x)
    stride, padding = _move(op, stride, padding)
    if weight.shape[:2] != (x.shape[1], 1):
        raise ValueError(
            f"{op}: weight must have shape ({x.shape[1]}, 1, rows, columns), one filter for each "
            f"channel of x, got {weight.shape}"
        )
    sides = _sides(op, x.shape[2:], weight.shape[2:], stride, padding)
    bias = _bias(op, bias, x.shape[1], x)
    y = room(op, out, (*x.shape[:2], *sides), x.dtype, reads=_given(x, weight, bias))
    kernel_for(op, x.dtype)(x, weight, stride, padding, y)
    if bias is not None:
        np.add(y, bias[:, None, None], out=y)
    return delivered(y, out)


def conv2d_nchwc(
    x, weight, stride: int = 1, padding: int = 0, out: np.ndarray | None = None
) -> np.ndarray:
    """Return the convolution of images that lie in blocks of channels: the fastest.

    Images are not transposed, and weights not packed but for Winograd's transformation. Blocks
    of as many channels as a register holds elements (see `accel.simd.vector`) are fast, others
    are right. `accel.nchw_to_nchwc` and
    `accel.nchwc_to_nchw` move images into this layout and back.

    Parameters
    ----------
    x : array-like, shape (batch, blocks, height, width, block), float32 or float64
        Channel ``b * block + k`` is number k of block b; a last block may be filled up.
    weight : array-like, shape (blocks of filters, blocks, rows, columns, block, filters per block)
        Of the dtype of `x`.
    stride, padding, out
        As for `conv2d`.

    Returns
    -------
    ndarray, shape (batch, blocks of filters, down, across, filters per block)
        `out`, or a new array.

    Raises
    ------
    TypeError, ValueError
        As for `conv2d`.

    Cost
    ----
    ``2 rows columns blocks block`` FLOPs per result, 2.25 times fewer by Winograd's
    transformation, as for `conv2d`.
    """
    op = "conv2d_nchwc"
    x = array(op, "x", x, ndim=5)
    weight = array(op, "weight", weight, ndim=6, like=x)
    stride, padding = _move(op, stride, padding)
    blocks, block = x.shape[1], x.shape[4]
    if (weight.shape[1], weight.shape[4]) != (blocks, block):
        raise ValueError(
            f"{op}: weight must have {blocks} blocks of {block} channels as x has, got "
            f"{weight.shape[1]} blocks of {weight.shape[4]}"
        )
    sides = _sides(op, x.shape[2:4], weight.shape[2:4], stride, padding)
    shape = (x.shape[0], weight.shape[0], *sides, weight.shape[5])
    y = room(op, out, shape, x.dtype, reads=(x, weight))
    kernel_for(op, x.dtype)(x, weight, stride, padding, y)
    return delivered(y, out)


def max_pool2d(
    x,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the largest number under a window at each of its places.

    Parameters
    ----------
    x : array-like, shape (batch, channels, height, width), float32 or float64
    kernel_size : int
        Rows and columns of the window.
    stride : int, optional
        Distance between neighbouring places; `kernel_size` by default.
    padding : int
        Numbers around each image that are never the largest; at most half of `kernel_size`.
    out : ndarray, optional
        Where to write; may overlap `x`.

    Returns
    -------
    ndarray, shape (batch, channels, down, across)
        `out`, or a new array; ``down = (height + 2 padding - kernel_size) // stride + 1``. NaN
        under a window gives NaN.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types, or a number is not whole.
    ValueError
        If the window is larger than the padded image, `stride` is below 1, `padding` below 0 or
        above half of `kernel_size`, or `out` is read-only or of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> accel.max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _pool("max_pool2d", x, kernel_size, stride, padding, out)


def avg_pool2d(
    x,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    count_include_pad: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the mean of the numbers under a window at each of its places.

    Parameters
    ----------
    x, kernel_size, stride, padding, out
        As for `max_pool2d`; padding is zeros.
    count_include_pad : bool
        Whether the zeros of the padding are among the numbers that the sum is divided by.

    Returns
    -------
    ndarray, shape (batch, channels, down, across)
        `out`, or a new array.

    Raises
    ------
    TypeError, ValueError
        As for `max_pool2d`.
    """
    op = "avg_pool2d"
    if count_include_pad or not padding:
        return _pool(op, x, kernel_size, stride, padding, out)
    x = array(op, "x", x, ndim=4)
    # To an array of our own: what is in out must not be counted twice if it lacks room.
    y = _pool(op, x, kernel_size, stride, padding, None)
    down, across = (
        _counted(x.shape[at], y.shape[at], kernel_size, stride or kernel_size, padding)
        for at in (2, 3)
    )
    share = kernel_size**2 / (down[:, None] * across)
    result = room(op, out, y.shape, x.dtype, contiguous=False)
    np.multiply(y, share.astype(x.dtype), out=result)
    return delivered(result, out)


def _pool(op: str, x, kernel_size, stride, padding, out) -> np.ndarray:
    x = array(op, "x", x, ndim=4)
    kernel = _whole(op, "kernel_size", kernel_size, 1)
    stride, padding = _move(op, kernel if stride is None else stride, padding)
    if 2 * padding > kernel:
        raise ValueError(
            f"{op}: padding must be at most half of kernel_size, {kernel // 2}, got {padding}"
        )
    sides = _sides(op, x.shape[2:], (kernel, kernel), stride, padding)
    y = room(op, out, (*x.shape[:2], *sides), x.dtype, reads=(x,))
    kernel_for(op, x.dtype)(x, kernel, stride, padding, y)
    return delivered(y, out)


def _counted(length: int, places: int, kernel: int, stride: int, padding: int) -> np.ndarray:
    """Return how many numbers of a side, padding apart, are under the window at each place."""
    start = np.arange(places) * stride - padding
    return np.minimum(start + kernel, length) - np.maximum(start, 0)


def _grouped(x, weight, stride: int, padding: int, groups: int, y) -> None:
    """Convolve each group of channels by itself."""
    if groups == x.shape[1] == weight.shape[0]:
        kernel_for("depthwise_conv2d", x.dtype)(x, weight, stride, padding, y)
        return
    kernel = kernel_for("conv2d", x.dtype)
    channels, filters = weight.shape[1], weight.shape[0] // groups
    part = np.empty((y.shape[0], filters, *y.shape[2:]), y.dtype)
    for group in range(groups):
        seen = np.ascontiguousarray(x[:, group * channels : (group + 1) * channels])
        own = slice(group * filters, (group + 1) * filters)
        kernel(seen, weight[own], stride, padding, part)
        y[:, own] = part


def _whole(op: str, name: str, value, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{op}: {name} must be a whole number, got {type(value).__name__}"
        ) from None
    if number < least:
        raise ValueError(f"{op}: {name} must be at least {least}, got {number}")
    return number


def _move(op: str, stride, padding) -> tuple[int, int]:
    return _whole(op, "stride", stride, 1), _whole(op, "padding", padding, 0)


def _sides(op: str, sides, window, stride: int, padding: int) -> list[int]:
    """Return how many places there are down and across."""
    if min(window) < 1:
        raise ValueError(f"{op}: a filter must have a row and a column, got {tuple(window)}")
    if min(sides) < 1 or any(w > side + 2 * padding for w, side in zip(window, sides, strict=True)):
        raise ValueError(
            f"{op}: a window of {window[0]} x {window[1]} must fit the padded image, which is "
            f"{sides[0] + 2 * padding} x {sides[1] + 2 * padding}"
        )
    return [(side + 2 * padding - w) // stride + 1 for side, w in zip(sides, window, strict=True)]


def _check_channels(channels: int, shape: tuple[int, ...], groups: int) -> None:
    if channels % groups or shape[0] % groups:
        raise ValueError(
            f"conv2d: groups must divide the {channels} channels of x and the {shape[0]} filters "
            f"of weight, got {groups}"
        )
    if shape[1] != channels // groups:
        raise ValueError(
            f"conv2d: weight must have {channels // groups} channels, those of x divided by "
            f"groups, got {shape[1]} in shape {shape}"
        )


def _bias(op: str, bias, filters: int, x: np.ndarray) -> np.ndarray | None:
    if bias is None:
        return None
    bias = array(op, "bias", bias, ndim=1, like=x)
    if bias.shape != (filters,):
        raise ValueError(f"{op}: bias must have shape ({filters},), got {bias.shape}")
    return bias


def _given(*arrays) -> list[np.ndarray]:
    return [each for each in arrays if each is not None]
