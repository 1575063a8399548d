"""A number that counts what is computed with it.

An element read from a counted array is one of these. Arithmetic gives another, so that
a whole expression is counted wherever its numbers came from the arrays. What is counted as
one operation is what this book declares as one: an addition, subtraction, multiplication,
division, comparison, or call of an elementary function such as ``tanh``. Changing a sign
and taking an absolute value are free: they flip one bit.
"""

from __future__ import annotations

import operator
from types import ModuleType
from typing import Any

import numpy as np

from accel.timing.counting.log import CountError, Log

#: Kind of each counted operation, by NumPy's name for it.
KINDS = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), None),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal"), "compare"),
    **dict.fromkeys(("equal", "not_equal", "maximum", "minimum", "fmax", "fmin"), "compare"),
    **dict.fromkeys(("exp", "exp2", "expm1", "log", "log2", "log10", "log1p"), "function"),
    **dict.fromkeys(("sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "cbrt"), "function"),
    **dict.fromkeys(("erf", "erfc", "arctan", "atan", "arcsin", "asin"), "function"),
}

#: Operations that are no arithmetic.
FREE = frozenset(
    ("negative", "positive", "absolute", "fabs", "sign", "copysign", "signbit", "conjugate",
     "isnan", "isinf", "isfinite", "logical_and", "logical_or", "logical_not", "logical_xor")
)  # fmt: skip


def tally(log: Log, name: str, times: int = 1) -> None:
    """Count an operation `times` over, or write down that it has no agreed count."""
    if name in KINDS:
        log.operations[KINDS[name] or name] += times
    elif name not in FREE and times:
        log.unseen[f"{name} has no agreed number of FLOPs"] = None


class CountedNumber:
    """A number read from a counted array.

    Parameters
    ----------
    value : number
        As NumPy or Python would hold it, so that results and types are theirs.
    log : Log
    """

    __slots__ = ("log", "value")

    def __init__(self, value: Any, log: Log):
        self.value = value
        self.log = log

    def __repr__(self) -> str:
        return f"CountedNumber({self.value!r})"

    def __format__(self, form: str) -> str:
        return format(self.value, form)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def _leave(self, how: str) -> Any:
        self.log.unseen[f"{how} made plain numbers of elements"] = None
        return self.value

    def __float__(self) -> float:
        return float(self._leave("a conversion to float"))

    def __int__(self) -> int:
        return int(self._leave("a conversion to int"))

    def __complex__(self) -> complex:
        return complex(self._leave("a conversion to complex"))

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        numbers = all(isinstance(each, CountedNumber) or np.ndim(each) == 0 for each in inputs)
        if method != "__call__" or keywords or not numbers:
            return NotImplemented  # an array among the inputs knows what to do
        tally(self.log, ufunc.__name__)
        return CountedNumber(ufunc(*map(plain, inputs)), self.log)

    @property
    def dtype(self) -> np.dtype:
        return np.asarray(self.value).dtype

    __hash__ = None  # two equal numbers are a comparison, and that is counted


def plain(value: Any) -> Any:
    """Return the number inside, or the value itself."""
    return value.value if isinstance(value, CountedNumber) else value


def _binary(function, name: str, reflected: bool = False):
    def method(self, other):
        if not isinstance(other, CountedNumber | int | float | complex | np.number | np.bool_):
            return NotImplemented
        tally(self.log, name)
        pair = (plain(other), self.value) if reflected else (self.value, plain(other))
        result = function(*pair)
        return result if KINDS.get(name) == "compare" else CountedNumber(result, self.log)

    return method


def _unary(function, name: str):
    def method(self):
        tally(self.log, name)
        return CountedNumber(function(self.value), self.log)

    return method


for _dunder, _name in (
    ("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "divide"),
    ("floordiv", "floor_divide"), ("mod", "remainder"), ("pow", "power"),
):  # fmt: skip
    _function = getattr(operator, _dunder)
    setattr(CountedNumber, f"__{_dunder}__", _binary(_function, _name))
    setattr(CountedNumber, f"__r{_dunder}__", _binary(_function, _name, reflected=True))
for _dunder, _name in (
    ("lt", "less"), ("le", "less_equal"), ("gt", "greater"), ("ge", "greater_equal"),
    ("eq", "equal"), ("ne", "not_equal"),
):  # fmt: skip
    setattr(CountedNumber, f"__{_dunder}__", _binary(getattr(operator, _dunder), _name))
for _dunder, _name in (("neg", "negative"), ("pos", "positive"), ("abs", "absolute")):
    setattr(CountedNumber, f"__{_dunder}__", _unary(getattr(operator, _dunder), _name))


class CountedFunctions:
    """The module `math` for counted numbers: a call of an elementary function is counted."""

    def __init__(self, module: ModuleType, log: Log):
        self._module = module
        self._log = log

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if not callable(found):
            return found

        def call(*arguments):
            if not any(isinstance(each, CountedNumber) for each in arguments):
                return found(*arguments)
            if name not in KINDS and name not in FREE:
                raise CountError(
                    f"math.{name} of an element cannot be counted: it has no agreed number of "
                    "FLOPs"
                )
            tally(self._log, name)
            return CountedNumber(found(*map(plain, arguments)), self._log)

        return call
