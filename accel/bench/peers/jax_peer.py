"""JAX on the CPU: functions compiled by `jax.jit`, arrays on the device, results waited for.

JAX's arrays cannot be changed, so an operation that works in place returns new arrays here;
giving the old ones away (donation) would leave nothing for the next call. What it computes
is the same. Dispatch is synchronous: a call that waits for its result loses by handing it
to another thread first.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from accel.bench.peers import layouts
from accel.bench.peers.calling import Answer, Rivals, fastest, keep_freed_memory

NAME = "JAX"
RIVALS = Rivals()


def _hold_threads() -> None:
    """Tell XLA, before it is loaded, how many threads it may start."""
    wanted = os.environ.get("OMP_NUM_THREADS")
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_X64"] = "1"
    if wanted:
        os.environ["NPROC"] = wanted  # as many as XLA's pool is told that there are
        if wanted == "1":
            os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"


try:
    _hold_threads()
    import jax
    import jax.numpy as jnp
    from jax import lax
except ImportError as error:
    jax, _MISSING = None, str(error)
else:
    keep_freed_memory()
    jax.config.update("jax_cpu_enable_async_dispatch", False)


def available() -> str | None:
    """Return why JAX cannot be used here, or None if it can."""
    return None if jax is not None else f"{NAME} is not installed here ({_MISSING})"


def version() -> str:
    """Return the version that is measured."""
    return jax.__version__


def hold() -> str:
    """Say what holds JAX's threads; it has no function that says how many there are."""
    wanted = os.environ.get("OMP_NUM_THREADS")
    return f"NPROC={wanted}" if wanted else "as many as it likes"


def work() -> None:
    """Keep every thread busy for some time; for whoever counts them."""
    a = jnp.ones((1024, 1024), jnp.float32)
    product = jax.jit(jnp.matmul)
    for _ in range(8):
        product(a, a).block_until_ready()


def jitted(function, *arrays, read=np.asarray):
    """Return a call of a function, compiled for these arrays, and the box of its result."""
    device = [jax.device_put(array) for array in arrays]
    compiled, answer = jax.jit(function), Answer(read)
    jax.block_until_ready(compiled(*device))

    def run():
        answer.value = None  # its memory is free for the next result
        answer.value = compiled(*device).block_until_ready()

    return run, answer


def jitted_several(function, *arrays, read):
    """Like `jitted`, for a function with several results; `read` chooses among them."""
    device = [jax.device_put(np.copy(array)) for array in arrays]  # the originals change
    compiled, answer = jax.jit(function), Answer(lambda results: np.asarray(read(results)))
    jax.block_until_ready(compiled(*device))

    def run():
        answer.value = None
        answer.value = jax.block_until_ready(compiled(*device))

    return run, answer


# --- products of matrices ------------------------------------------------------------------------


@RIVALS("matmul")
def matmul(a, b, out):
    return jitted(jnp.matmul, a, b)


@RIVALS("matmul_nt")
def matmul_nt(a, b, out):
    return jitted(lambda a, b: a @ b.T, a, b)


@RIVALS("matmul_batched")
def matmul_batched(a, b, out):
    return jitted(jnp.matmul, a, b)


@RIVALS("matvec")
def matvec(a, x, out):
    return jitted(jnp.matmul, a, x)


@RIVALS("linear_relu")
def linear_relu(x, weight, bias, out):
    return jitted(lambda x, w, b: jax.nn.relu(x @ w.T + b), x, weight, bias)


@RIVALS("linear_gelu")
def linear_gelu(x, weight, bias, out):
    return jitted(lambda x, w, b: jax.nn.gelu(x @ w.T + b, approximate=True), x, weight, bias)


# --- each element by itself ----------------------------------------------------------------------


@RIVALS("relu")
def relu(x, out):
    return jitted(jax.nn.relu, x)


@RIVALS("gelu")
def gelu(x, out):
    return jitted(partial(jax.nn.gelu, approximate=True), x)


@RIVALS("gelu_erf")
def gelu_erf(x, out):
    return jitted(partial(jax.nn.gelu, approximate=False), x)


@RIVALS("sigmoid")
def sigmoid(x, out):
    return jitted(jax.nn.sigmoid, x)


@RIVALS("silu")
def silu(x, out):
    return jitted(jax.nn.silu, x)


@RIVALS("exp")
def exp(x, out):
    return jitted(jnp.exp, x)


@RIVALS("saxpy")
def saxpy(alpha, x, y, out):
    return jitted(lambda alpha, x, y: alpha * x + y, np.asarray(alpha, x.dtype), x, y)


@RIVALS("polynomial")
def polynomial(coefficients, x, out):
    return jitted(lambda c, x: jnp.polyval(c, x, unroll=64), coefficients[::-1].copy(), x)


# --- rows ----------------------------------------------------------------------------------------


@RIVALS("softmax")
def softmax(x, out):
    return jitted(partial(jax.nn.softmax, axis=1), x)


@RIVALS("log_softmax")
def log_softmax(x, out):
    return jitted(partial(jax.nn.log_softmax, axis=1), x)


@RIVALS("layernorm")
def layernorm(x, weight, bias, out):
    from accel.kernels.normalisation import EPSILON

    def normalised(x, weight, bias):
        centred = x - x.mean(axis=1, keepdims=True)
        scale = lax.rsqrt((centred * centred).mean(axis=1, keepdims=True) + EPSILON)
        return centred * scale * weight + bias

    return jitted(normalised, x, weight, bias)


@RIVALS("rmsnorm")
def rmsnorm(x, weight, out):
    from accel.kernels.normalisation import EPSILON

    def normalised(x, weight):
        return x * lax.rsqrt((x * x).mean(axis=1, keepdims=True) + EPSILON) * weight

    return jitted(normalised, x, weight)


@RIVALS("batchnorm")
def batchnorm(x, mean, variance, weight, bias, out):
    from accel.kernels.normalisation import EPSILON

    def normalised(x, *channels):
        mean, variance, weight, bias = (each[:, None, None] for each in channels)
        return (x - mean) * (lax.rsqrt(variance + EPSILON) * weight) + bias

    return jitted(normalised, x, mean, variance, weight, bias)


# --- reductions ----------------------------------------------------------------------------------


@RIVALS("sum")
def total(x, out):
    return jitted(partial(jnp.sum, keepdims=True), x)


@RIVALS("max")
def largest(x, out):
    return jitted(partial(jnp.max, keepdims=True), x)


@RIVALS("argmax")
def argmax(x, out):
    return jitted(partial(jnp.argmax, keepdims=True), x)


@RIVALS("mean_variance")
def mean_variance(x, out):
    return jitted(lambda x: jnp.stack([x.mean(), x.var()]), x)


@RIVALS("prefix_sum")
def prefix_sum(x, out):
    return jitted(jnp.cumsum, x)


# --- attention -----------------------------------------------------------------------------------


def _attention(q, k, v, causal):
    # (heads, n, d) -> (1, n, heads, d), as it likes them; XLA turns them as it sees fit.
    def attended(q, k, v):
        parts = (part.transpose(1, 0, 2)[None] for part in (q, k, v))
        return jax.nn.dot_product_attention(*parts, is_causal=causal)[0].transpose(1, 0, 2)

    def by_hand(q, k, v):
        scores = jnp.einsum("hid,hjd->hij", q, k) * q.shape[2] ** -0.5
        if causal:
            scores = jnp.where(jnp.tri(q.shape[1], k.shape[1], dtype=bool), scores, -jnp.inf)
        return jnp.einsum("hij,hjd->hid", jax.nn.softmax(scores), v)

    plain = jitted(by_hand, q, k, v)
    # The library's own takes one width, and works out float64 as if it were float32.
    fits = q.dtype == np.float32 and q.shape[2] == v.shape[2]
    return fastest(plain, jitted(attended, q, k, v)) if fits else plain


@RIVALS("attention")
def attention(q, k, v, out):
    return _attention(q, k, v, causal=False)


@RIVALS("attention_causal")
def attention_causal(q, k, v, out):
    return _attention(q, k, v, causal=True)


# --- convolution: channels first or channels last, whichever is faster here ----------------------


def _convolved(orders, stride, padding, groups):
    return partial(
        lax.conv_general_dilated, window_strides=(stride, stride), padding=[(padding, padding)] * 2,
        dimension_numbers=orders, feature_group_count=groups,
    )  # fmt: skip


def _convolutions(x, weight, stride, padding, read, groups=1):
    """Return the call for channels-first arrays, tried in both orders of memory."""
    turned = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    filters = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    return fastest(
        jitted(_convolved(("NCHW", "OIHW", "NCHW"), stride, padding, groups), x, weight, read=read),
        jitted(
            _convolved(("NHWC", "HWIO", "NHWC"), stride, padding, groups), turned, filters,
            read=lambda y: read(np.asarray(y).transpose(0, 3, 1, 2)),
        ),
    )  # fmt: skip


@RIVALS("conv2d")
def conv2d(x, weight, stride, padding, out):
    return _convolutions(x, weight, stride, padding, np.asarray)


@RIVALS("conv2d_nhwc")
def conv2d_nhwc(x, weight, stride, padding, out):
    return _convolutions(*layouts.channels_first(x, weight), stride, padding, layouts.last)


@RIVALS("conv2d_nchwc")
def conv2d_nchwc(x, weight, stride, padding, out):
    return _convolutions(
        *layouts.unblocked(x, weight), stride, padding, layouts.blocked_like(out)
    )


@RIVALS("depthwise_conv2d")
def depthwise_conv2d(x, weight, stride, padding, out):
    weight = weight.reshape(len(weight), 1, *weight.shape[-2:])
    return _convolutions(x, weight, stride, padding, np.asarray, groups=x.shape[1])


def _windows(kernel, stride, padding=0):
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    return (1, 1, kernel, kernel), (1, 1, stride, stride), around


@RIVALS("max_pool2d")
def max_pool2d(x, *geometry_and_out):
    *geometry, _ = geometry_and_out
    return jitted(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, *_windows(*geometry)), x)


@RIVALS("avg_pool2d")
def avg_pool2d(x, *geometry_and_out):
    *geometry, _ = geometry_and_out
    share = x.dtype.type(1 / geometry[0] ** 2)
    return jitted(lambda x: lax.reduce_window(x, 0.0, lax.add, *_windows(*geometry)) * share, x)


# --- layout --------------------------------------------------------------------------------------


@RIVALS("transpose")
def transpose(x, out):
    return jitted(jnp.transpose, x)


@RIVALS("aos_to_soa")
def aos_to_soa(x, out):
    return jitted(jnp.transpose, x)


@RIVALS("soa_to_aos")
def soa_to_aos(x, out):
    return jitted(jnp.transpose, x)


@RIVALS("nchw_to_nhwc")
def nchw_to_nhwc(x, out):
    return jitted(lambda x: x.transpose(0, 2, 3, 1), x)


@RIVALS("nhwc_to_nchw")
def nhwc_to_nchw(x, out):
    return jitted(lambda x: x.transpose(0, 3, 1, 2), x)


@RIVALS("nchw_to_nchwc")
def nchw_to_nchwc(x, out):
    images, blocks, height, width, block = out.shape

    def blocked(x):
        filled = jnp.pad(x, ((0, 0), (0, blocks * block - x.shape[1]), (0, 0), (0, 0)))
        return filled.reshape(images, blocks, block, height, width).transpose(0, 1, 3, 4, 2)

    return jitted(blocked, x)


@RIVALS("nchwc_to_nchw")
def nchwc_to_nchw(x, out):
    images, blocks, height, width, block = x.shape

    def planes(x):
        turned = x.transpose(0, 1, 4, 2, 3).reshape(images, blocks * block, height, width)
        return turned[:, : out.shape[1]]

    return jitted(planes, x)


# --- gather --------------------------------------------------------------------------------------


@RIVALS("embedding")
def embedding(table, indices, out):
    return jitted(lambda table, i: table.at[i].get(mode="promise_in_bounds"), table, indices)


@RIVALS("scatter_add", in_place=True)
def scatter_add(indices, values, out):
    def added(i, values, out):
        return (out.at[i].add(values, mode="promise_in_bounds"),)

    return jitted_several(added, indices, values, out, read=lambda results: results[0])


@RIVALS("histogram")
def histogram(x, low, high, out):
    """As NumPy does it: `jnp.histogram` looks for each number among the edges, far slower."""
    bins, edges = out.size, np.linspace(low, high, out.size + 1, dtype=x.dtype)

    def counted(x, edges):
        first, last = edges[0], edges[-1]
        place = jnp.clip(((x - first) / (last - first) * bins).astype(jnp.int32), 0, bins - 1)
        place -= x < edges[place]
        place += (x >= edges[place + 1]) & (place != bins - 1)
        inside = (x >= first) & (x <= last)
        return jnp.zeros(bins, jnp.int32).at[place].add(inside.astype(jnp.int32), mode="drop")

    return jitted(counted, x, edges)


# --- optimizers ----------------------------------------------------------------------------------


def _last(results):
    return results[-1]


@RIVALS("sgd", in_place=True)
def sgd(gradient, learning_rate, parameters):
    return jitted_several(
        lambda g, p: (p - learning_rate * g,), gradient, parameters, read=_last
    )


@RIVALS("momentum", in_place=True)
def momentum(gradient, velocity, learning_rate, momentum, parameters):
    def stepped(g, v, p):
        v = momentum * v + g
        return v, p - learning_rate * v

    return jitted_several(stepped, gradient, velocity, parameters, read=_last)


def _adam(gradient, first, second, step, rate, beta1, beta2, epsilon, decay, parameters):
    corrected, root = rate / (1 - beta1**step), (1 - beta2**step) ** -0.5

    def stepped(g, m, v, p):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        return m, v, p * (1 - rate * decay) - corrected * m / (jnp.sqrt(v) * root + epsilon)

    return jitted_several(stepped, gradient, first, second, parameters, read=_last)


@RIVALS("adam", in_place=True)
def adam(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters):
    return _adam(
        gradient, first, second, step, learning_rate, beta1, beta2, epsilon, 0.0, parameters
    )


@RIVALS("adamw", in_place=True)
def adamw(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters):
    return _adam(
        gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
    )


# --- images --------------------------------------------------------------------------------------


@RIVALS("normalise_image")
def normalise_image(image, mean, std, out):
    scale, shift = (1 / (255 * std)).astype(out.dtype), (-mean / std).astype(out.dtype)
    return jitted(lambda image, a, b: image.astype(a.dtype) * a + b, image, scale, shift)


@RIVALS("augment_image")
def augment_image(image, top, left, flip, mean, std, out):
    scale, shift = (1 / (255 * std)).astype(out.dtype), (-mean / std).astype(out.dtype)
    _, height, width = out.shape

    def augmented(image, a, b):
        seen = image[top : top + height, left : left + width]
        seen = seen[:, ::-1] if flip else seen
        return (seen.astype(a.dtype) * a + b).transpose(2, 0, 1)

    return jitted(augmented, image, scale, shift)
