"""PyTorch on the CPU, as well as it can be run.

Tensors share the memory of NumPy's arrays. Autograd is off (inference mode); results go to
`out` where the function takes one, which spares the allocation. Where PyTorch has two ways
to the same answer, the faster one here is taken, found before the clock starts.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from accel.bench.peers import layouts
from accel.bench.peers.calling import Rivals, fastest, keep_freed_memory, kept, reshaped

NAME = "PyTorch"
RIVALS = Rivals()

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    torch, _MISSING = None, str(error)
else:
    keep_freed_memory()
    _MODE = torch.inference_mode()
    _MODE.__enter__()  # for good: this process only measures
    if os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.set_num_interop_threads(1)


def available() -> str | None:
    """Return why PyTorch cannot be used here, or None if it can."""
    return None if torch is not None else f"{NAME} is not installed here ({_MISSING})"


def version() -> str:
    """Return the version that is measured."""
    return torch.__version__


def hold() -> str:
    """Say how many threads PyTorch uses.

    Raises
    ------
    RuntimeError
        If they are not as many as this process was told.
    """
    wanted, found = os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()
    if wanted and found != int(wanted):
        raise RuntimeError(f"{NAME} runs {found} threads, expected {wanted}")
    return f"torch.get_num_threads() says {found}"


def work() -> None:
    """Keep every thread busy for some time; for whoever counts them."""
    a = torch.ones(1024, 1024)
    for _ in range(8):
        torch.mm(a, a)


def tensors(*arguments):
    """Return arrays as tensors in the same memory, and everything else as it is."""
    return [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arguments]


# --- products of matrices ------------------------------------------------------------------------


@RIVALS("matmul")
def matmul(a, b, out):
    a, b, out = tensors(a, b, out)
    return partial(torch.mm, a, b, out=out)


@RIVALS("matmul_nt")
def matmul_nt(a, b, out):
    a, b, out = tensors(a, b, out)
    return partial(torch.mm, a, b.t(), out=out)


@RIVALS("matmul_batched")
def matmul_batched(a, b, out):
    a, b, out = tensors(a, b, out)
    return partial(torch.bmm, a, b, out=out)


@RIVALS("matvec")
def matvec(a, x, out):
    a, x, out = tensors(a, x, out)
    return partial(torch.mv, a, x, out=out)


@RIVALS("linear_relu")
def linear_relu(x, weight, bias, out):
    x, weight, bias, out = tensors(x, weight, bias, out)
    transposed = weight.t()

    def run():
        torch.addmm(bias, x, transposed, out=out)
        torch.relu_(out)

    return run


@RIVALS("linear_gelu")
def linear_gelu(x, weight, bias, out):
    x, weight, bias, out = tensors(x, weight, bias, out)
    transposed, scratch = weight.t(), torch.empty_like(out)

    def run():
        torch.addmm(bias, x, transposed, out=scratch)
        torch._C._nn.gelu(scratch, approximate="tanh", out=out)

    return run


# --- each element by itself ----------------------------------------------------------------------


@RIVALS("relu")
def relu(x, out):
    x, out = tensors(x, out)
    return fastest(partial(torch.clamp_min, x, 0, out=out), kept(torch.relu, x))


@RIVALS("gelu")
def gelu(x, out):
    x, out = tensors(x, out)
    return partial(torch._C._nn.gelu, x, approximate="tanh", out=out)


@RIVALS("gelu_erf")
def gelu_erf(x, out):
    x, out = tensors(x, out)
    return partial(torch._C._nn.gelu, x, approximate="none", out=out)


@RIVALS("sigmoid")
def sigmoid(x, out):
    x, out = tensors(x, out)
    return partial(torch.sigmoid, x, out=out)


@RIVALS("silu")
def silu(x, out):
    x, out = tensors(x, out)
    return partial(torch._C._nn.silu, x, out=out)


@RIVALS("exp")
def exp(x, out):
    x, out = tensors(x, out)
    return partial(torch.exp, x, out=out)


@RIVALS("saxpy")
def saxpy(alpha, x, y, out):
    x, y, out = tensors(x, y, out)
    return partial(torch.add, y, x, alpha=float(alpha), out=out)


@RIVALS("polynomial")
def polynomial(coefficients, x, out):
    numbers, x, out = [*torch.from_numpy(coefficients)], *tensors(x, out)

    def run():  # Horner's scheme, a pass for each coefficient but the highest
        out.fill_(numbers[-1])
        for number in numbers[-2::-1]:
            torch.addcmul(number, out, x, out=out)

    return run


# --- rows ----------------------------------------------------------------------------------------


@RIVALS("softmax")
def softmax(x, out):
    x, out = tensors(x, out)
    return partial(torch.softmax, x, 1, out=out)


@RIVALS("log_softmax")
def log_softmax(x, out):
    x, out = tensors(x, out)
    return partial(torch.log_softmax, x, 1, out=out)


@RIVALS("layernorm")
def layernorm(x, weight, bias, out):
    from accel.kernels.normalisation import EPSILON

    x, weight, bias = tensors(x, weight, bias)
    return kept(torch.layer_norm, x, x.shape[1:], weight, bias, EPSILON)


@RIVALS("rmsnorm")
def rmsnorm(x, weight, out):
    from accel.kernels.normalisation import EPSILON

    x, weight = tensors(x, weight)
    return kept(functional.rms_norm, x, x.shape[1:], weight, EPSILON)


@RIVALS("batchnorm")
def batchnorm(x, mean, variance, weight, bias, out):
    from accel.kernels.normalisation import EPSILON

    x, mean, variance, weight, bias = tensors(x, mean, variance, weight, bias)
    return kept(
        torch.batch_norm, x, weight, bias, mean, variance, False, 0.0, EPSILON, False
    )


# --- reductions ----------------------------------------------------------------------------------


@RIVALS("sum")
def total(x, out):
    x, out = tensors(x, out)
    return partial(torch.sum, x, 0, keepdim=True, out=out)


@RIVALS("max")
def largest(x, out):
    x, out = tensors(x, out)
    return partial(torch.amax, x, 0, keepdim=True, out=out)


@RIVALS("argmax")
def argmax(x, out):
    x, out = tensors(x, out)
    return partial(torch.argmax, x, 0, keepdim=True, out=out)


@RIVALS("mean_variance")
def mean_variance(x, out):
    (x,) = tensors(x)
    return kept(partial(torch.var_mean, correction=0), x, read=lambda pair: pair[::-1])


@RIVALS("prefix_sum")
def prefix_sum(x, out):
    x, out = tensors(x, out)
    return partial(torch.cumsum, x, 0, out=out)


# --- attention -----------------------------------------------------------------------------------


def _attention(q, k, v, out, causal):
    # A batch of one: the fused kernel takes four dimensions.
    q, k, v = (part[None] for part in tensors(q, k, v))
    function = partial(functional.scaled_dot_product_attention, is_causal=causal)
    return kept(function, q, k, v, read=reshaped(out.shape))


@RIVALS("attention")
def attention(q, k, v, out):
    return _attention(q, k, v, out, causal=False)


@RIVALS("attention_causal")
def attention_causal(q, k, v, out):
    return _attention(q, k, v, out, causal=True)


# --- convolution: channels first or channels last, whichever is faster here ----------------------


def _convolutions(x, weight, stride, padding, read, groups=1):
    """Return the call for channels-first tensors, tried in both orders of memory."""
    candidates = [
        kept(
            partial(functional.conv2d, stride=stride, padding=padding, groups=groups),
            x.contiguous(memory_format=order), weight.contiguous(memory_format=order), read=read,
        )
        for order in (torch.contiguous_format, torch.channels_last)
    ]  # fmt: skip
    return fastest(*candidates)


@RIVALS("conv2d")
def conv2d(x, weight, stride, padding, out):
    x, weight = tensors(x, weight)
    return _convolutions(x, weight, stride, padding, np.asarray)


@RIVALS("conv2d_nhwc")
def conv2d_nhwc(x, weight, stride, padding, out):
    x, weight = tensors(*layouts.channels_first(x, weight))
    return _convolutions(x, weight, stride, padding, layouts.last)


@RIVALS("conv2d_nchwc")
def conv2d_nchwc(x, weight, stride, padding, out):
    x, weight = tensors(*layouts.unblocked(x, weight))
    return _convolutions(x, weight, stride, padding, layouts.blocked_like(out))


@RIVALS("depthwise_conv2d")
def depthwise_conv2d(x, weight, stride, padding, out):
    x, weight = tensors(x, weight.reshape(len(weight), 1, *weight.shape[-2:]))
    return _convolutions(x, weight, stride, padding, np.asarray, groups=x.shape[1])


@RIVALS("max_pool2d")
def max_pool2d(x, *geometry_and_out):
    *geometry, _ = geometry_and_out
    (x,) = tensors(x)
    return fastest(
        kept(functional.max_pool2d, x, *geometry),
        kept(functional.max_pool2d, x.contiguous(memory_format=torch.channels_last), *geometry),
    )


@RIVALS("avg_pool2d")
def avg_pool2d(x, *geometry_and_out):
    *geometry, _ = geometry_and_out
    (x,) = tensors(x)
    return fastest(
        kept(functional.avg_pool2d, x, *geometry),
        kept(functional.avg_pool2d, x.contiguous(memory_format=torch.channels_last), *geometry),
    )


# --- layout --------------------------------------------------------------------------------------


@RIVALS("transpose")
def transpose(x, out):
    x, out = tensors(x, out)
    return partial(out.copy_, x.t())


@RIVALS("aos_to_soa")
def aos_to_soa(x, out):
    return transpose.__wrapped__(x, out)


@RIVALS("soa_to_aos")
def soa_to_aos(x, out):
    return transpose.__wrapped__(x, out)


@RIVALS("nchw_to_nhwc")
def nchw_to_nhwc(x, out):
    x, out = tensors(x, out)
    return partial(out.copy_, x.permute(0, 2, 3, 1))


@RIVALS("nhwc_to_nchw")
def nhwc_to_nchw(x, out):
    x, out = tensors(x, out)
    return partial(out.copy_, x.permute(0, 3, 1, 2))


@RIVALS("nchw_to_nchwc")
def nchw_to_nchwc(x, out):
    x, out = tensors(x, out)
    (images, channels, height, width), block = x.shape, out.shape[4]
    whole, rest = divmod(channels, block)
    parts = x[:, : whole * block].reshape(images, whole, block, height, width)
    turned, left = parts.permute(0, 1, 3, 4, 2), x[:, whole * block :].permute(0, 2, 3, 1)

    def run():
        out[:, :whole].copy_(turned)
        if rest:
            out[:, whole, :, :, :rest].copy_(left)
            out[:, whole, :, :, rest:].zero_()

    return run


@RIVALS("nchwc_to_nchw")
def nchwc_to_nchw(x, out):
    x, out = tensors(x, out)
    images, _, height, width, block = x.shape
    whole, rest = divmod(out.shape[1], block)
    turned = x[:, :whole].permute(0, 1, 4, 2, 3)
    answer = out[:, : whole * block].unflatten(1, (whole, block)) if whole else None

    def run():
        if whole:
            answer.copy_(turned)
        if rest:
            out[:, whole * block :].copy_(x[:, whole, :, :, :rest].permute(0, 3, 1, 2))

    return run


# --- gather --------------------------------------------------------------------------------------


@RIVALS("embedding")
def embedding(table, indices, out):
    table, indices, out = tensors(table, indices, out)
    return fastest(
        partial(torch.index_select, table, 0, indices, out=out),
        kept(functional.embedding, indices, table),
    )


@RIVALS("scatter_add", in_place=True)
def scatter_add(indices, values, out):
    indices, values, out = tensors(indices, values, out)
    return partial(out.index_add_, 0, indices, values)


@RIVALS("histogram")
def histogram(x, low, high, out):
    # `histc` is faster, but rounds at the edges of bins otherwise than NumPy does.
    (x,) = tensors(x)
    function = partial(torch.histogram, bins=out.size, range=(float(low), float(high)))
    return kept(function, x, read=lambda pair: pair.hist)


# --- optimizers: the calls that torch.optim makes with fused=True --------------------------------


@RIVALS("sgd", in_place=True)
def sgd(gradient, learning_rate, parameters):
    gradient, parameters = tensors(gradient, parameters)
    return partial(parameters.add_, gradient, alpha=-float(learning_rate))


@RIVALS("momentum", in_place=True)
def momentum(gradient, velocity, learning_rate, momentum, parameters):
    gradient, velocity, parameters = tensors(gradient, velocity, parameters)
    return partial(
        torch._fused_sgd_, [parameters], [gradient], [velocity], weight_decay=0.0,
        momentum=float(momentum), lr=float(learning_rate), dampening=0.0, nesterov=False,
        maximize=False, is_first_step=False,
    )  # fmt: skip


def _fused_adam(function, gradient, first, second, step, rate, beta1, beta2, epsilon, decay, p):
    gradient, first, second, p = tensors(gradient, first, second, p)
    return partial(
        function, [p], [gradient], [first], [second], [], [torch.tensor(float(step))],
        lr=float(rate), beta1=float(beta1), beta2=float(beta2), weight_decay=float(decay),
        eps=float(epsilon), amsgrad=False, maximize=False,
    )  # fmt: skip


@RIVALS("adam", in_place=True)
def adam(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters):
    return _fused_adam(
        torch._fused_adam_, gradient, first, second, step, learning_rate, beta1, beta2, epsilon,
        0.0, parameters,
    )  # fmt: skip


@RIVALS("adamw", in_place=True)
def adamw(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters):
    return _fused_adam(
        torch._fused_adamw_, gradient, first, second, step, learning_rate, beta1, beta2, epsilon,
        decay, parameters,
    )  # fmt: skip


# --- images --------------------------------------------------------------------------------------


def _scale_and_shift(mean, std):
    """Return the factor and the summand that normalise a byte."""
    return tensors((1 / (255 * std)).astype(std.dtype), (-mean / std).astype(std.dtype))


@RIVALS("normalise_image")
def normalise_image(image, mean, std, out):
    scale, shift = _scale_and_shift(mean, std)
    image, out = tensors(image, out)

    def run():
        torch.mul(image, scale, out=out)
        out.add_(shift)

    return run


@RIVALS("augment_image")
def augment_image(image, top, left, flip, mean, std, out):
    scale, shift = (part[:, None, None] for part in _scale_and_shift(mean, std))
    image, out = tensors(image, out)
    _, height, width = out.shape
    cropped = image[top : top + height, left : left + width].permute(2, 0, 1)

    def run():
        torch.mul(cropped.flip(2) if flip else cropped, scale, out=out)
        out.add_(shift)

    return run
