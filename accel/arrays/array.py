"""An ndarray whose operations go where they are fastest.

NumPy asks an argument's class who is to compute: ``__array_ufunc__`` for functions of elements
and products, ``__array_function__`` for the rest. `Array` answers for them. Results are
computed at once, as NumPy's are: an array in hand is what it looks like, views share memory,
and nothing is put off.
"""

from __future__ import annotations

import math

import numpy as np

from accel.arrays import contractions, functions, moves, products, reductions
from accel.arrays.leaving import (
    LONG,
    MOST_REMEMBERED,
    ND,
    NUMBERS,
    SHORT,
    Left,
    computed_by_numpy,
    count,
    long_from,
    plain,
    short_reductions,
    wrapped,
)
from accel.arrays.loops import loop
from accel.backend import dispatch

#: Policies under which a short call is NumPy's. Others were named, and are to compute.
_SHORT = frozenset({"auto", "numpy"})

#: ufunc -> what computes it where it is not a loop in parts.
_UFUNCS = {
    np.exp: functions.exp,
    np.matmul: products.matmul,
    np.maximum: functions.maximum,
    np.power: functions.power,
}

_METHODS = {"accumulate": reductions.accumulate, "reduce": reductions.reduce}

#: Functions of NumPy's namespace that are computed here.
_FUNCTIONS = {
    np.dot: products.dot,
    np.einsum: contractions.einsum,
    np.take: moves.take,
    np.tensordot: contractions.tensordot,
}

#: Functions that come down to methods and ufuncs, which are asked for in their turn.
_THROUGH_METHODS = frozenset(
    getattr(np, name)
    for name in """
    all amax amin any argmax clip cumprod cumsum max mean min prod std sum var
    """.split()
)

#: Functions that compute nothing: views, memory to be filled, and questions about an array.
_FREE = frozenset(
    getattr(home, name)
    for home, names in {
        np: """
            array_split atleast_1d atleast_2d atleast_3d broadcast_arrays broadcast_to diagonal
            dsplit empty_like expand_dims flip fliplr flipud hsplit imag iscomplexobj isrealobj
            matrix_transpose may_share_memory moveaxis ndim permute_dims ravel real reshape
            result_type rollaxis rot90 shape shares_memory size split squeeze swapaxes transpose
            unstack vsplit
            """,
        np.lib.stride_tricks: "as_strided sliding_window_view",
    }.items()
    for name in names.split()
    if hasattr(home, name)  # some are newer than the oldest NumPy that will do
)


class Array(np.ndarray):
    """An array whose operations `accel.use` directs; made by `accel.asarray`.

    It is an ``ndarray`` in all respects, and what is computed from it is an `Array` again.
    NumPy's rules hold: broadcasting, promotion of element types, views, ``out=``, ``where=``,
    errors. Results of kernels may differ from NumPy's in their last digits.

    Three things are not seen. Indexing with arrays is NumPy's. C functions that ask no class
    (`numpy.ascontiguousarray`) return plain arrays. And warnings of floating-point errors name
    a line of this package where the call is short.
    """

    __slots__ = ()

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        """Compute a ufunc, or have NumPy compute it.

        Short calls of two operands go straight to NumPy. What stands before that is paid by
        each of them, so it calls nothing that it could do itself.
        """
        out = keywords.get("out")
        if len(inputs) == 2 and method == "__call__" and len(keywords) == (out is not None):
            a, b = inputs
            kind = type(a)
            if kind is Array:
                size = a.size
                a = a.view(ND)
            else:
                size = a.size if kind is ND else 0 if kind in NUMBERS else math.inf
            kind = type(b)
            if kind is Array:
                other = b.size
                b = b.view(ND)
            else:
                other = b.size if kind is ND else 0 if kind in NUMBERS else math.inf
            if ufunc in _UFUNCS and dispatch.policy().name not in _SHORT:
                size = math.inf
            if out is None:
                least = long_from.get(ufunc, LONG)
                if size < least and other < least:
                    result = ufunc(a, b)
                    return result.view(Array) if type(result) is ND else wrapped(result, Array)
            else:
                least = long_from.get((ufunc, "out"), LONG)
                y = out[0] if type(out) is tuple and len(out) == 1 else None
                if size < least and other < least and type(y) in _PLAIN and y.size < least:
                    ufunc(a, b, out=y.view(ND))
                    return y
        elif method != "at":
            result = _if_short(ufunc, method, inputs, keywords)
            if result is not SHORT:
                return result
        return _ufunc(dispatch.policy(), ufunc, method, inputs, keywords)

    def __array_function__(self, function, types, args, keywords):
        """Compute a function of NumPy's namespace, or have NumPy compute it."""
        policy = dispatch.policy()
        others = any(_answers_itself(kind, "__array_function__") for kind in types)
        if policy.name != "numpy" and not others:
            if function in _THROUGH_METHODS:
                return function._implementation(*args, **keywords)
            answer = _function(policy, function, args, keywords)
            if type(answer) is not Left:
                return answer
            count(policy, function, "__call__", answer)
        return computed_by_numpy(function, args, keywords, Array)

    def argmax(self, axis=None, out=None, *, keepdims=False):
        """Return the place of the largest number; as ``ndarray.argmax``."""
        policy = dispatch.policy()
        left = SHORT
        if policy.name != "numpy":
            to = plain(out, Array)
            left = reductions.argmax(policy, self.view(ND), axis, to, keepdims)
        return self._or_numpys("argmax", left, out, axis=axis, keepdims=keepdims)

    def copy(self, order="C"):
        """Return a copy in an order; as ``ndarray.copy``."""
        policy = dispatch.policy()
        left = SHORT if policy.name == "numpy" else moves.copy(policy, self.view(ND), order)
        return super().copy(order) if type(left) is Left else left.view(Array)

    def dot(self, b, out=None):
        """Return the product with another array; as ``ndarray.dot``."""
        return np.dot(self, b, out=out)

    def take(self, indices, axis=None, out=None, mode="raise"):
        """Return elements that indices name; as ``ndarray.take``."""
        return np.take(self, indices, axis=axis, out=out, mode=mode)

    def var(self, axis=None, dtype=None, out=None, ddof=0, **keywords):
        """Return the variance; as ``ndarray.var``."""
        if axis is None and dtype is None and out is None and not keywords:
            policy = dispatch.policy()
            if policy.name != "numpy":
                found = reductions.variance(policy, self.view(ND), ddof)
                if type(found) is not Left:
                    return found
                count(policy, np.var, "__call__", found)
        return super().var(axis, dtype, out, ddof, **keywords)

    def std(self, axis=None, dtype=None, out=None, ddof=0, **keywords):
        """Return the standard deviation; as ``ndarray.std``."""
        if axis is None and dtype is None and out is None and not keywords:
            return np.sqrt(self.var(ddof=ddof))
        return super().std(axis, dtype, out, ddof, **keywords)

    def _or_numpys(self, method: str, answer, out, **keywords):
        """Return an answer, as the user's `out` if there is one; or that of NumPy's method."""
        if type(answer) is Left:
            count(dispatch.policy(), getattr(np, method), "__call__", answer)
            to = plain(out, Array)
            answer = getattr(ND, method)(self.view(ND), out=to, **keywords)
        return wrapped(answer, Array) if out is None else out


#: Classes of arrays that say nothing about who computes.
_PLAIN = frozenset({Array, ND})


def asarray(x, dtype=None, *, copy: bool | None = None) -> Array:
    """Return an array that makes NumPy code call the kernels of this library.

    Parameters
    ----------
    x : array-like
    dtype : data-type, optional
        By default as NumPy would choose.
    copy : bool, optional
        True: always copy. False: never, and raise if it must be. None: if it must be.

    Returns
    -------
    Array
        Shares memory with `x` where `x` is an array and is not copied.

    Raises
    ------
    TypeError
        If `x` is a masked array, whose mask would be lost.
    ValueError
        If it cannot be made an array, or not without the copy that was ruled out.

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> x = accel.asarray(np.array([[-1.0, 2.0], [3.0, -4.0]], "float32"))
    >>> np.maximum(x, 0) @ x
    Array([[ 6., -8.],
           [-3.,  6.]], dtype=float32)
    """
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError("asarray: x is a masked array, whose mask would be lost; fill it first")
    if type(x) is Array and not copy and (dtype is None or x.dtype == dtype):
        return x
    return np.asarray(x, dtype=dtype, copy=copy).view(Array)


def _if_short(ufunc, method: str, inputs: tuple, keywords: dict):
    """Have NumPy compute a call on few elements; `SHORT` itself if there are many, or others.

    Most calls in most programs are such, so this asks as little as it can.
    """
    if dispatch.policy().name not in _SHORT:
        return SHORT
    size, own, out = 0, [], keywords.get("out")
    if out is not None and type(out) is not tuple:
        return SHORT  # out=... asks for an array where a number would do
    for x in inputs if out is None else (*inputs, *out):
        kind = type(x)
        if kind is Array:
            size = max(size, x.size)
            x = x.view(ND)
        elif kind is ND:
            size = max(size, x.size)
        elif kind not in NUMBERS:
            return SHORT
        own.append(x)
    place = ufunc if out is None else (ufunc, "out")
    if size >= (long_from.get(place, LONG) if method == "__call__" else LONG):
        if _reduction(ufunc, method, own, keywords) not in short_reductions:
            return SHORT
    if out is not None:
        to = tuple(own[len(inputs) :])
        own = own[: len(inputs)]
        keywords = {**keywords, "out": to}
    if isinstance(keywords.get("where"), ND) or "subok" in keywords:
        return SHORT
    result = getattr(ufunc, method)(*own, **keywords)
    if out is not None:
        return out[0] if len(out) == 1 else out
    return result.view(Array) if type(result) is ND else wrapped(result, Array)


def _reduction(ufunc, method: str, inputs: list, keywords: dict) -> tuple | None:
    """Return what tells a reduction from others, or None if it is none."""
    if method != "reduce" or type(inputs[0]) is not ND:
        return None
    x = inputs[0]
    axis = keywords.get("axis", 0)
    named = tuple(axis) if isinstance(axis, list) else axis
    return ufunc, x.shape, x.strides, x.dtype, named, keywords.get("keepdims", False)


def _ufunc(policy, ufunc, method: str, inputs: tuple, keywords: dict):
    """Compute a call of a ufunc or of one of its methods."""
    out = keywords.pop("out", None)
    outs = out if type(out) is tuple else ()
    everything = (*inputs, *outs, *keywords.values())
    others = any(_answers_itself(type(x), "__array_ufunc__") for x in everything)
    own = [plain(x, Array) for x in inputs]
    named = {key: plain(x, Array) for key, x in keywords.items()}
    to = plain(out, Array)
    left_alone = others or type(out) not in (tuple, type(None))
    answer = SHORT if left_alone else _answer(policy, ufunc, method, own, to, named)
    if type(answer) is Left:
        left = answer
        if to is not None:
            named["out"] = to
        answer = getattr(ufunc, method)(*own, **named)
        count(policy, ufunc, method, left)
        found_short = left is SHORT and policy.name == "auto" and not left_alone
        if found_short and method == "reduce" and len(short_reductions) < MOST_REMEMBERED:
            short_reductions.add(_reduction(ufunc, method, own, keywords))
    if type(answer) is tuple and len(outs) > 1:
        return tuple([_given_back(x, to, out) for x in answer])
    if outs:
        return _given_back(answer, to, out)
    return _as_subclass(inputs, wrapped(answer, Array)) if keywords.get("subok", True) else answer


def _given_back(answer, plain_outs: tuple, outs: tuple):
    """Return the user's `out` for the plain array that was written, or else the answer."""
    for mine, given in zip(plain_outs, outs, strict=True):
        if answer is mine:
            return given
    return wrapped(answer, Array)


def _answer(policy, ufunc, method: str, inputs: list, out: tuple | None, keywords: dict):
    """Return a result, or why NumPy is to compute it."""
    if policy.name == "numpy":
        return SHORT
    if method == "__call__":
        if ufunc in _UFUNCS:
            return _UFUNCS[ufunc](policy, ufunc, inputs, out, keywords)
        if ufunc.signature is None:
            return loop(policy, ufunc, inputs, out, keywords)
        return Left("there is no kernel of it")
    if method in _METHODS:
        return _METHODS[method](policy, ufunc, inputs[0], out, keywords)
    return Left("there is no kernel of it")


def _function(policy, function, args: tuple, keywords: dict):
    """Return the result of a function of NumPy's namespace, or why NumPy is to compute it."""
    if function in _FREE:
        return SHORT
    if function not in _FUNCTIONS:
        return Left("there is no kernel of it")
    own = plain(list(args), Array)
    named = plain(keywords, Array)
    answer = _FUNCTIONS[function](policy, *own, **named)
    if type(answer) is Left:
        return answer
    out = keywords.get("out")
    if out is None and function is np.dot and len(args) > 2:
        out = args[2]
    return wrapped(answer, Array) if out is None else out


def _answers_itself(kind: type, protocol: str) -> bool:
    """Tell whether a class has its own way to compute, which NumPy will ask for.

    It is given plain arrays then, as if there were no `Array`: many such classes hand on what
    they do not know to ``ndarray``, which would refuse an `Array`.
    """
    if kind in NUMBERS or kind is ND or issubclass(kind, Array):
        return False
    own = getattr(kind, protocol, None)
    return own is not None and own is not getattr(ND, protocol)


def _as_subclass(inputs: tuple, result):
    """Return a result in the class of an argument that is more than an `Array`."""
    if type(result) is Array:
        for x in inputs:
            if type(x) is not Array and isinstance(x, Array):
                return x.__array_wrap__(result, None, False)
    return result
