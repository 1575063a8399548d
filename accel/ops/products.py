"""Products of matrices and vectors, and a layer made of one."""

from __future__ import annotations

import math

import numpy as np

from accel.ops.arguments import FLOATS, array, delivered, kernel_for, room

NUMBERS = (*FLOATS, "int64")


def matmul(a, b, out: np.ndarray | None = None) -> np.ndarray:
    """Return the product of two matrices, two vectors, or stacks of matrices.

    Parameters
    ----------
    a : array-like, shape (..., m, k) or (k,), float32, float64 or int64
    b : array-like, shape (..., k, n) or (k,)
        Same dtype as `a`. Leading dimensions are those of a stack; they are broadcast
        against those of `a`. Any strides: nothing is copied that lies in another order.
    out : ndarray, optional
        Where to write; may overlap the inputs, of which it then is no part until they are
        read.

    Returns
    -------
    ndarray, shape (..., m, n)
        `out`, or a new array. Without m where `a` is a vector, without n where `b` is one.
        NaN and infinity spread as in NumPy; integers wrap around.

    Raises
    ------
    TypeError
        If an array is of another element type, or they are of different ones.
    ValueError
        If a number stands for a matrix, shapes do not fit, or `out` is read-only or of
        another shape.

    Cost
    ----
    ``2 m n k`` FLOPs per matrix.

    Source
    ------
    NumPy, ``numpy.matmul``, for what the dimensions mean.

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> a, b = np.ones((5, 2, 3), "float32"), np.ones((3, 4), "float32")
    >>> accel.matmul(a, b).shape
    (5, 2, 4)
    """
    a = array("matmul", "a", a, dtypes=NUMBERS, contiguous=False)
    b = array("matmul", "b", b, dtypes=NUMBERS, like=a, contiguous=False)
    for name, x in (("a", a), ("b", b)):
        if x.ndim == 0:
            raise ValueError(f"matmul: {name} must have 1 or more dimensions, got shape ()")
    if out is None and a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]:
        y = np.empty((a.shape[0], b.shape[1]), a.dtype)
        kernel_for("matmul", a.dtype)(a, b, y)
        return y
    left = a[None] if a.ndim == 1 else a  # (..., m, k)
    right = b[:, None] if b.ndim == 1 else b  # (..., k, n)
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"matmul: b must have {left.shape[-1]} rows as a has columns, got a {a.shape} and "
            f"b {b.shape}"
        )
    stack = _stack(left, right)
    rows, columns = left.shape[-2:-1][a.ndim == 1 :], right.shape[-1:][b.ndim == 1 :]
    y = room("matmul", out, (*stack, *rows, *columns), a.dtype, reads=(a, b), contiguous=False)
    answer = y[..., None] if b.ndim == 1 else y
    answer = answer[..., None, :] if a.ndim == 1 else answer  # (..., m, n)
    _multiply(left, right, answer)
    return delivered(y, out)


def _stack(a: np.ndarray, b: np.ndarray) -> tuple[int, ...]:
    """Return the leading dimensions of a product."""
    if a.ndim == b.ndim == 2:
        return ()
    try:
        return np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(
            f"matmul: leading dimensions must be equal or 1, got {a.shape[:-2]} for a and "
            f"{b.shape[:-2]} for b"
        ) from None


def _multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Multiply arrays of (..., m, k), (..., k, n) and (..., m, n)."""
    if out.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous and out.flags.c_contiguous:
        rows = math.prod(out.shape[:-1])  # of one tall matrix
        a, out = a.reshape(rows, a.shape[-1]), out.reshape(rows, out.shape[-1])
    if out.ndim == 2:
        kernel_for("matmul", out.dtype)(a.reshape(a.shape[-2:]), b.reshape(b.shape[-2:]), out)
        return
    a = np.broadcast_to(a, (*out.shape[:-2], *a.shape[-2:]))
    b = np.broadcast_to(b, (*out.shape[:-2], *b.shape[-2:]))
    multiply = kernel_for("matmul_batched", out.dtype)
    for i in np.ndindex(out.shape[:-3]):  # one stack; its strides may be anything
        multiply(a[i], b[i], out[i])


def matvec(a, x, out: np.ndarray | None = None) -> np.ndarray:
    """Return the product of a matrix and a vector.

    Parameters
    ----------
    a : array-like, shape (m, n), float32, float64 or int64
        By rows or by columns; one that has neither together is copied.
    x : array-like, shape (n,)
        Same dtype as `a`.
    out : ndarray, shape (m,), optional
        Where to write; may overlap the inputs.

    Returns
    -------
    ndarray, shape (m,)
        `out`, or a new array.

    Raises
    ------
    TypeError
        If an array is of another element type, or they are of different ones.
    ValueError
        If shapes do not fit, or `out` is read-only or of another shape.

    Cost
    ----
    ``2 m n`` FLOPs in one pass over `a`.
    """
    a = array("matvec", "a", a, dtypes=NUMBERS, ndim=2, contiguous=False)
    x = array("matvec", "x", x, dtypes=NUMBERS, ndim=1, like=a)
    if a.shape[1] != x.size:
        raise ValueError(
            f"matvec: x must have {a.shape[1]} elements as a has columns, got a {a.shape} and "
            f"x {x.shape}"
        )
    y = room("matvec", out, a.shape[:1], a.dtype, reads=(a, x))
    if a.dtype.name not in FLOATS:
        kernel_for("matmul", a.dtype)(a, x[:, None], y[:, None])
        return delivered(y, out)
    if a.itemsize not in a.strides:
        a = np.ascontiguousarray(a)
    kernel_for("matvec", a.dtype)(a, x, y)
    return delivered(y, out)


def linear(
    x,
    weight,
    bias=None,
    activation: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``f(x @ weight.T + bias)``: a layer of a network in one pass.

    Parameters
    ----------
    x : array-like, shape (..., k), float32 or float64
    weight : array-like, shape (n, k)
        Same dtype as `x`, any strides.
    bias : array-like, shape (n,), optional
        Same dtype; none is as good as zeros.
    activation : {None, "relu", "gelu"}
        What is applied to each sum: nothing, the larger of it and 0, or GELU in its tanh
        form.
    out : ndarray, shape (..., n), optional
        Where to write; may overlap the inputs.

    Returns
    -------
    ndarray, shape (..., n)
        `out`, or a new array. GELU of minus infinity is NaN, as its formula has it.

    Raises
    ------
    TypeError
        If an array is of another element type, or they are of different ones.
    ValueError
        If shapes do not fit, there is no such activation, or `out` is read-only or of another
        shape.

    Cost
    ----
    ``2 n k`` FLOPs for each row of `x`; bias and activation while sums are in cache.

    Source
    ------
    PyTorch, ``torch.nn.functional.linear``, for the names and the layout of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> x, weight = np.ones((2, 3), "float32"), np.ones((4, 3), "float32")
    >>> accel.linear(x, weight, activation="relu").shape
    (2, 4)
    """
    x = array("linear", "x", x)
    weight = array("linear", "weight", weight, ndim=2, like=x, contiguous=False)
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: x must end in {weight.shape[1]} elements as weight has columns, got x "
            f"{x.shape} and weight {weight.shape}"
        )
    reads = [x, weight]
    if bias is not None:
        bias = array("linear", "bias", bias, ndim=1, like=x)
        if bias.shape != weight.shape[:1]:
            raise ValueError(
                f"linear: bias must have {len(weight)} elements as weight has rows, got "
                f"{bias.shape}"
            )
        reads.append(bias)
    if activation not in _LAYERS:
        raise ValueError(f"linear: activation must be None, 'relu' or 'gelu', not {activation!r}")
    y = room("linear", out, (*x.shape[:-1], len(weight)), x.dtype, reads=reads)
    rows, width = math.prod(x.shape[:-1]), x.shape[-1]
    _layer(x.reshape(rows, width), weight, bias, activation, y.reshape(rows, len(weight)))
    return delivered(y, out)


#: Activation -> the operation that applies it.
_LAYERS = {None: "matmul_nt", "relu": "linear_relu", "gelu": "linear_gelu"}


def _layer(x: np.ndarray, weight: np.ndarray, bias, activation: str | None, y: np.ndarray) -> None:
    """Write the layer of a matrix of rows."""
    if activation is not None:
        bias = np.zeros(len(weight), x.dtype) if bias is None else bias
        kernel_for(_LAYERS[activation], x.dtype)(x, weight, bias, y)
    elif bias is None:
        kernel_for(_LAYERS[activation], x.dtype)(x, weight, y)
    else:
        from accel.kernels.matmul.drivers import run
        from accel.kernels.matmul.registers import BIAS

        run("linear", x[None], weight.T[None], y[None], bias=bias, kind=BIAS, parallel=True)
