"""Operations to call: checked arguments, the right answer, the best kernel there is.

Each function takes arrays of any layout, byte order and length, tells in words what it
cannot take, and hands the rest to the fastest kernel of `accel.kernels`. Each is also an
attribute of `accel` itself: ``accel.gelu(x)``.

As in NumPy, ``out=`` names the array to write, which may overlap the inputs: the answer is
the same as if it did not.
"""

from importlib import import_module
from typing import Any

#: File of this package -> the operations in it.
_HOMES: dict[str, tuple[str, ...]] = {
    "convolution": ("avg_pool2d", "conv2d", "conv2d_nchwc", "depthwise_conv2d", "max_pool2d"),
    "elementwise": ("exp", "gelu", "polynomial", "relu", "saxpy", "sigmoid", "silu"),
    "gather": ("embedding", "histogram", "scatter_add"),
    "heads": ("attention",),
    "products": ("linear", "matmul", "matvec"),
    "augment": ("augment_image", "normalise_image"),
    "layout": (
        "aos_to_soa",
        "nchw_to_nchwc",
        "nchw_to_nhwc",
        "nchwc_to_nchw",
        "nhwc_to_nchw",
        "soa_to_aos",
        "transpose",
    ),
    "normalisation": ("batchnorm", "layernorm", "log_softmax", "rmsnorm", "softmax"),
    "reductions": ("argmax", "max", "mean_variance", "prefix_sum", "sum"),
    "optimizer": ("adam", "adamw", "momentum", "sgd"),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"accel.ops.{home}"), name)
    raise AttributeError(
        f"module 'accel.ops' has no operation {name!r}; it has {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return __all__
