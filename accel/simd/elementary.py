"""Elementary functions of a whole register: exp, exp2, bell, tanh, erf, log.

Each reduces its argument to a short interval, evaluates a polynomial there, and puts
the result together, with no branch: all lanes take the same path. Where the machine has
AVX-512 powers come from a table of 16, held in a register: fewer instructions, and an
error hardly larger than a rounding. Errors are stated in units in the last place of the
result (ULP), and the tests assert them. Special numbers come out as from the C library; no
exception flags are kept.

Source
------
Muller et al., *Handbook of Floating-Point Arithmetic*, 2nd ed., chapter 10 (range
reduction by Cody and Waite's method, polynomial evaluation). Muller, *Elementary
Functions*, 3rd ed., chapter 3 (minimax polynomials, Remez' algorithm).
"""

from __future__ import annotations

import math

from llvmlite import ir
from numba.extending import intrinsic

from accel.simd.coefficients import ABOUT, About, Base
from accel.simd.emitting import (
    INT32,
    REAL,
    constant,
    itemsize,
    lanewise_signature,
    require_common,
    spread,
)
from accel.simd.formulas import Number


def _function(name: str, formula, x):
    """Return signature and code generator of ``formula(about, x: Number) -> Number``."""
    common = require_common(name, (x,), REAL)

    def generate(context, builder, sig, values):
        features = context.codegen().magic_tuple()[2]
        (register,) = spread(builder, common, sig, values)
        number = Number(builder, common.token, features, register)
        return formula(ABOUT[itemsize(register.type)], number).value

    return lanewise_signature(common, (x,)), generate


# 2**n: n is found by adding a number so large that neighbours there differ by 1. The sum
# is rounded to an integer, which then stands in its low bits, without a conversion,
# which would not know what to do with NaN. A bias added too makes them an exponent.


def _large(about: About) -> float:
    return 1.5 * 2.0**about.mantissa


def _power_of_two(about: About, shifted: Number) -> Number:
    """Return 2**n, the bias and n being in the low bits: one shift."""
    steps = constant(shifted.words, about.mantissa)
    return shifted.of_bits(shifted.builder.shl(shifted.bits(), steps))


def _octaves(x: Number, base: Base, large) -> tuple[Number, Number, Number]:
    """Return n in the low bits, n, and ``r = x - n octaves``, exactly or nearly so."""
    shifted = x + large if base.rate == 1.0 else x.times_plus(base.rate, large)
    n = shifted - large
    r = x
    for part in base.octave:
        r = n.times_plus(-part, r)
    return shifted, n, r


def _power(about: About, base: Base, x: Number) -> Number:
    """Return ``base**x``."""
    if x.has_avx512:
        return _power_from_table(about, base, x)
    x = x.at_least(base.low).at_most(base.high)
    return _power_in_two_steps(about, base, x)


def _power_from_table(about: About, base: Base, x: Number) -> Number:
    """Return ``base**x = 2**floor(n) 2**(n - floor(n)) base**r`` with n in sixteenths.

    The middle factor is one of 16, which fill a register: its index is the low bits of n.
    So r is small, its polynomial short, and it adds little to the factor: nearly all of the
    error is that of one rounding.
    """
    return _from_table(about, *_octaves(x, base, _large(about) / 16), base.short)


def _from_table(about: About, shifted: Number, n: Number, r: Number, series) -> Number:
    """Return ``2**n (1 + r series(r))``, where n is in sixteenths, its digits in `shifted`.

    Cutting r keeps the last factor positive and finite where n is neither small nor exact;
    n alone makes the result infinite there, or 0, or NaN.
    """
    r = r.no_larger_than(1.0)
    step, rest = shifted.chosen_from(about.steps), shifted.chosen_from(about.rest)
    small = (step * r).times_plus(r.polynomial(series), rest)
    return (step + small).scaled(n)


def _power_in_two_steps(about: About, base: Base, x: Number) -> Number:
    """Return ``base**x`` where 2**n itself may be too large, or too small.

    So 2**(n + k) is taken, and a product with 2**-k then overflows, or rounds to a
    subnormal, as it should. Up to there everything is exact.
    """
    far = 2 * about.mantissa + 1  # odd, so that large is even, and halves round as ever
    subnormal = x.compare("<", base.tiny)
    bias = _large(about) + about.bias
    large = x.choose(subnormal, bias + far, bias - 1.0)
    back = x.choose(subnormal, 2.0**-far, 2.0)
    shifted, _, r = _octaves(x, base, large)
    return r.polynomial(base.series) * _power_of_two(about, shifted) * back


@intrinsic
def exp(context, x):
    """``exp(x)``: the exponential of each lane, within 1 unit in the last place.

    ``x = n log(2) + r`` with an integer n and ``|r| <= log(2) / 2``; then ``exp(x) =
    2**n exp(r)``, and exp(r) is a short polynomial. Infinities and NaN give what they
    should, large x overflow to inf, very negative x pass through the subnormals to 0.

    With AVX-512 n is in sixteenths, r as much shorter, and the error 0.62 units, 0.77
    where the result is subnormal.

    Cost
    ----
    A register of float32 takes 7 multiplications and fused multiply-adds and 6 cheaper
    instructions, one of float64 3 fused multiply-adds more; without AVX-512 9 and 9, and 5
    more.
    """

    def formula(about, x):
        return _power(about, about.exp, x)

    return _function("exp", formula, x)


@intrinsic
def exp2(context, x):
    """``exp2(x)``: 2 to the power of each lane, within 1 unit in the last place.

    As `exp`, and 2 fused multiply-adds cheaper: whole powers of two come off exactly.
    """

    def formula(about, x):
        return _power(about, about.exp2, x)

    return _function("exp2", formula, x)


@intrinsic
def bell(context, x):
    """``bell(x)``: ``exp(-x**2 / 2)``, within 1.4 units in the last place.

    The bell curve. The square is not rounded, or what that loses is made good: far out an
    error in its last place is many in the result. With AVX-512 within 1 unit.

    Cost
    ----
    A register of float32 takes 9 multiplications and fused multiply-adds and 6 cheaper
    instructions where the machine has AVX-512, one of float64 3 fused multiply-adds more;
    elsewhere four more than `exp`.
    """
    return _function("bell", _bell, x)


def _bell(about: About, x: Number) -> Number:
    if x.has_avx512:
        return _bell_from_table(about, x)
    t = x.magnitude().at_most(about.bell_is_zero)
    half = t * -0.5
    square = half * t
    lost = half.times_plus(t, -square)
    rounded = _power(about, about.exp, square)
    return rounded.times_plus(lost, rounded)


def _bell_from_table(about: About, x: Number) -> Number:
    """As `_power_from_table`, with ``x**2 + n 2 log(2)`` for r, which is -2 times r."""
    large = _large(about) / 16
    shifted = (x * x).times_plus(-0.5 * about.exp.rate, large)
    n = shifted - large
    high, middle = about.two_octaves
    r = n.times_plus(middle, x.times_plus(x, n * high))
    series = [c * (-0.5) ** (k + 1) for k, c in enumerate(about.exp.short)]
    return _from_table(about, shifted, n, r, series)


@intrinsic
def tanh(context, x):
    """``tanh(x)``: the hyperbolic tangent; float32 within 1 ULP, float64 within 1.2.

    ``t / (t + 2)`` with ``t = exp(2 |x|) - 1``, which is computed without cancellation,
    so that tiny numbers come back as they are. What sum and quotient lose in rounding
    is computed and made good. The sign, of -0 too, is put back at the end.

    Cost
    ----
    A register of float32 takes 14 fused multiply-adds, a division (an estimate of the
    reciprocal with AVX-512), and 20 cheaper instructions; one of float64 takes 5 fused
    multiply-adds more.
    """
    return _function("tanh", _tanh, x)


def _tanh(about: About, x: Number) -> Number:
    size = x.magnitude().at_most(about.tanh_is_one)
    shifted, _, r = _octaves(size + size, about.exp, _large(about) + about.bias)
    _, _, *rest = about.expm1  # the first two being 1
    curve = r * r * r.polynomial(rest)
    small, small_lost = r.plus(curve)  # exp(r) - 1
    scale = _power_of_two(about, shifted)
    below = scale - 1.0
    t = small.times_plus(scale, below)
    t_lost = small_lost.times_plus(scale, small.times_plus(scale, below - t))
    d, d_lost = t.like(2.0).plus(t)
    inverse = d.estimated_reciprocal() or x.like(1.0) / d
    ratio = t * inverse
    left = (-ratio).times_plus(d, t) + (-ratio).times_plus(d_lost + t_lost, t_lost)
    return left.times_plus(inverse, ratio).with_sign_of(x)


@intrinsic
def erf(context, x):
    """``erf(x)``: the error function; float32 within 1 ULP, float64 within 1.2.

    Up to ``|x| = 1`` ``x + x p(x**2)``, from there ``1 - 2**-q(|x|)``, with polynomials p
    and q. Both are computed, and one is chosen: a register may hold both kinds.

    Cost
    ----
    A register of float32 takes 21 fused multiply-adds and a dozen cheaper instructions,
    one of float64 42 fused multiply-adds.
    """
    return _function("erf", _erf, x)


def _erf(about: About, x: Number) -> Number:
    near = x.times_plus((x * x).polynomial(about.erf_near), x)
    beyond = x.magnitude().at_most(about.erf_is_one) - 1.0
    shifted, _, r = _octaves(
        -beyond.polynomial(about.erf_far), about.exp2, _large(about) + about.bias
    )
    rest = -r.polynomial(about.exp2.series)
    far = rest.times_plus(_power_of_two(about, shifted), 1.0).with_sign_of(x)
    return x.choose(x.magnitude().compare("<", 1.0), near, far)


@intrinsic
def log(context, x):
    """``log(x)``: the natural logarithm of each lane, within 1 unit in the last place.

    ``x = 2**n m`` with m between the square roots of 1/2 and 2; the logarithm of m comes
    from a polynomial in ``(m - 1) / (m + 1)``. Subnormals are brought up first. Zeros
    give -inf, negative numbers NaN.

    Cost
    ----
    A register of float32 takes 5 fused multiply-adds, a division, and a dozen and a half
    cheaper instructions; one of float64 takes 4 fused multiply-adds more.
    """
    return _function("log", _log, x)


def _log(about: About, x: Number) -> Number:
    n, m = _exponent_and_mantissa(about, x)
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    half_square = f * f * 0.5
    correction = z.times_plus(z.polynomial(about.log), half_square)
    high, low = about.exp.octave
    bent = half_square - s.times_plus(correction, n * low)
    result = n.times_plus(high, f - bent)
    return _log_of_special(x, result)


def _exponent_and_mantissa(about: About, x: Number) -> tuple[Number, Number]:
    """Return n and m with ``x = 2**n m``, for positive x."""
    builder, words = x.builder, x.words
    up = about.mantissa + 1
    subnormal = x.compare("<", 2.0 ** (1 - about.bias))
    normal = x.choose(subnormal, x * 2.0**up, x).bits()
    least = x.like(math.sqrt(0.5)).bits()
    steps = constant(words, about.mantissa)
    n = builder.ashr(builder.sub(normal, least), steps)
    m = x.of_bits(builder.sub(normal, builder.shl(n, steps)))
    short = ir.VectorType(INT32, words.count)  # AVX converts int32 only
    n = n if words == short else builder.trunc(n, short)
    n = x.like(builder.sitofp(n, x.value.type))
    return x.choose(subnormal, n - float(up), n), m


def _log_of_special(x: Number, result: Number) -> Number:
    """Return the result for positive numbers, and what belongs to the others."""
    result = x.choose(x.compare("==", math.inf), math.inf, result)
    beyond = x.choose(x.compare("==", 0.0), -math.inf, math.nan)
    return x.choose(x.compare(">", 0.0), result, beyond)
