"""One convolution of the same images in three layouts, with and without the way there.

A batch of images is a block of numbers with four indices, and somebody has to say which of
them runs fastest: the place along a row (NCHW), the channel (NHWC), or the place within a
small block of channels (NCHWc). The kernels are the best of `accel.kernels.convolution`; here
they compute the same images, so that their times can be compared. The steps named
``..._converted`` begin and end with NCHW, and pay for the conversion.

Source
------
Liu et al., "Optimizing CNN Model Inference on CPUs", USENIX ATC 2019, section 3, on keeping
a layout between operations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from accel.kernels.convolution import nchw, nchwc, shapes
from accel.kernels.registry import Operation, best, register, register_operation
from accel.simd import vector


class Seen:
    """An array that shows itself in another layout to whoever reads it."""

    def __init__(self, array: np.ndarray, view: Callable[[np.ndarray], np.ndarray]):
        self.array, self._view = array, view

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self._view(self.array), dtype=dtype)


register_operation(
    Operation(
        "image_layouts",
        nchw.conv2d_inputs,
        nchw.conv2d_oracle,
        nchw.conv2d_flops,
        nchw.conv2d_bytes,
        ({"side": 6, "channels": 16, "padding": 1}, {"side": 5, "channels": 32, "kernel": 1}),
        awkward=shapes.AWKWARD,
    )
)


@functools.cache
def _best(operation: str, dtype: np.dtype) -> Callable:
    return best(operation, dtype.name).function


def channels_last(x, weight, stride, padding, out) -> tuple:
    """Return the arguments with channels last, converted off the clock."""
    last = [np.ascontiguousarray(each.transpose(0, 2, 3, 1)) for each in (x, out)]
    weight = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    return last[0], weight, stride, padding, Seen(last[1], lambda y: y.transpose(0, 3, 1, 2))


def in_blocks(x, weight, stride, padding, out) -> tuple:
    """Return the arguments in blocks of channels, converted off the clock."""
    block = vector(x.dtype).lanes
    images, weights = nchwc.blocked_images(x, block), nchwc.blocked_weights(weight, block)
    filters = out.shape[1]
    results = nchwc.blocked_images(out, block)
    seen = Seen(results, lambda y: nchwc.unblocked_images(y)[:, :filters])
    return images, weights, stride, padding, seen


def weights_last(x, weight, stride, padding, out) -> tuple:
    """Return the arguments with the weights of NHWC: they are converted once for ever."""
    return x, np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), stride, padding, out


def weights_in_blocks(x, weight, stride, padding, out) -> tuple:
    """Return the arguments with the weights of NCHWc: they are converted once for ever."""
    return x, nchwc.blocked_weights(weight, vector(x.dtype).lanes), stride, padding, out


@register("image_layouts", name="nchw", instrument="compiled", tags=("ladder",),
          story="rows of pixels: a channel after the other")  # fmt: skip
def layout_nchw(x, weight, stride, padding, out):
    """Convolve images in NCHW.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
    weight : ndarray, shape (filters, channels, kernel, kernel)
    stride, padding : int
    out : ndarray, shape (batch, filters, places down, places across)
        Overwritten.
    """
    _best("conv2d", x.dtype)(x, weight, stride, padding, out)


@register("image_layouts", name="nhwc", instrument="compiled", adapt=channels_last,
          tags=("ladder",), story="pixels with all their channels side by side")  # fmt: skip
def layout_nhwc(x, weight, stride, padding, seen):
    """Convolve images in NHWC; see `layout_nchw`."""
    _best("conv2d_nhwc", x.dtype)(x, weight, stride, padding, seen.array)


@register("image_layouts", name="nchwc", instrument="compiled", adapt=in_blocks,
          tags=("ladder",), story="a register of channels of a pixel side by side")  # fmt: skip
def layout_nchwc(x, weight, stride, padding, seen):
    """Convolve images in NCHWc; see `layout_nchw`."""
    _best("conv2d_nchwc", x.dtype)(x, weight, stride, padding, seen.array)


@register("image_layouts", name="nhwc_converted", instrument="compiled", adapt=weights_last,
          tags=("ladder",), story="to NHWC and back, on the clock")  # fmt: skip
def layout_nhwc_converted(x, weight, stride, padding, out):
    """Convert images to NHWC, convolve, and convert back; see `layout_nchw`."""
    batch, depth, height, width = x.shape
    images = np.empty((batch, height, width, depth), x.dtype)
    results = np.empty((batch, *out.shape[2:], out.shape[1]), x.dtype)
    _best("nchw_to_nhwc", x.dtype)(x, images)
    _best("conv2d_nhwc", x.dtype)(images, weight, stride, padding, results)
    _best("nhwc_to_nchw", x.dtype)(results, out)


@register("image_layouts", name="nchwc_converted", instrument="compiled",
          adapt=weights_in_blocks, tags=("ladder",), story="to NCHWc and back, on the clock")  # fmt: skip
def layout_nchwc_converted(x, weight, stride, padding, out):
    """Convert images to NCHWc, convolve, and convert back; see `layout_nchw`."""
    block = vector(x.dtype).lanes
    batch, depth, height, width = x.shape
    filters = out.shape[1]
    images = np.empty((batch, -(-depth // block), height, width, block), x.dtype)
    results = np.empty((batch, -(-filters // block), *out.shape[2:], block), x.dtype)
    _best("nchw_to_nchwc", x.dtype)(x, images)
    _best("conv2d_nchwc", x.dtype)(images, weight, stride, padding, results)
    _best("nchwc_to_nchw", x.dtype)(results, out)
