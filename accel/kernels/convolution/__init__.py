"""Convolutions, one file for each layout of memory.

`nchw` has the whole ladder, `nhwc` and `nchwc` those steps that the layout changes, `depthwise`
the convolution of each channel by itself. `lines` (with `line_copies`), `pixels`, `winograd` and
`winograd_pixels` are what the top steps do.
"""

from accel.kernels.convolution.nchw import (
    conv2d_bytes,
    conv2d_direct,
    conv2d_flops,
    conv2d_im2col,
    conv2d_inputs,
    conv2d_loop,
    conv2d_oracle,
    conv2d_threads,
    conv2d_tiled,
    conv2d_winograd,
)

__all__ = [
    "conv2d_bytes",
    "conv2d_direct",
    "conv2d_flops",
    "conv2d_im2col",
    "conv2d_inputs",
    "conv2d_loop",
    "conv2d_oracle",
    "conv2d_threads",
    "conv2d_tiled",
    "conv2d_winograd",
]
