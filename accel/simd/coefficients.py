"""Constants of the elementary functions, for float32 and float64.

Polynomials have the least largest relative error that there is on their interval
(minimax), found by Remez' exchange algorithm with 50 digits and then rounded; the lowest
power comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np


def _hex(text: str) -> tuple[float, ...]:
    return tuple(float.fromhex(number) for number in text.split())


def _steps(kind) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return 2**(k / 16) for k from 0 to 15, rounded, and what that leaves, rounded."""
    exact = [Decimal(2) ** (Decimal(k) / 16) for k in range(16)]
    near = tuple(float(kind(step)) for step in exact)
    return near, tuple(
        float(kind(step - Decimal(each))) for step, each in zip(exact, near, strict=True)
    )


@dataclass(frozen=True)
class Base:
    """How to raise a base to a power: ``base**x = 2**n * series(x - n * octave)``."""

    low: float  # the result rounds to 0 below this,
    high: float  # and overflows above this
    tiny: float  # all results below this are subnormal, none far above it
    rate: float  # log2(base)
    octave: tuple[float, ...]  # 1 / rate, rounded, and what that leaves
    series: tuple[float, ...]  # of base**r, for |r| up to half an octave
    short: tuple[float, ...]  # of (base**r - 1) / r, for |r| up to a 32nd of an octave


@dataclass(frozen=True)
class About:
    """What the elementary functions know about an element type."""

    mantissa: int  # stored bits
    bias: int  # of the exponent
    steps: tuple[float, ...]  # 2**(k / 16), rounded
    rest: tuple[float, ...]  # and what that leaves
    exp: Base
    exp2: Base
    expm1: tuple[float, ...]  # of exp(r), its error small beside exp(r) - 1
    two_octaves: tuple[float, float]  # 2 log(2), so short that n times it is exact, and the rest
    bell_is_zero: float
    tanh_is_one: float  # from here on, rounded
    erf_near: tuple[float, ...]  # of erf(x) / x - 1 in x**2, for x up to 1
    erf_far: tuple[float, ...]  # of -log2(1 - erf(1 + t)) in t, from 0 up
    erf_is_one: float
    log: tuple[float, ...]  # of (log((1 + s) / (1 - s)) - 2 s) / s**3 in s**2


_FLOAT32 = About(
    mantissa=23,
    bias=127,
    steps=_steps(np.float32)[0],
    rest=_steps(np.float32)[1],
    exp=Base(
        low=-104.0,
        high=89.0,
        tiny=-86.0,
        rate=float.fromhex("0x1.715476p+0"),
        octave=_hex("0x1.62e43p-1 -0x1.05c61p-29"),
        series=_hex("1 1 0x1.fffffcp-2 0x1.555492p-3 0x1.5558fp-5 0x1.1239e4p-7 0x1.6a24ap-10"),
        short=_hex("1 0x1.00022p-1 0x1.55583ap-3"),
    ),
    exp2=Base(
        low=-151.0,
        high=129.0,
        tiny=-120.0,
        rate=1.0,
        octave=(1.0,),
        series=_hex(
            "1 0x1.62e43p-1 0x1.ebfbdcp-3 0x1.c6aee8p-5 0x1.3b2d4ep-7 0x1.5f3e8p-10 0x1.41fb78p-13"
        ),
        short=_hex("0x1.62e43p-1 0x1.ebfff4p-3 0x1.c6b466p-5"),
    ),
    expm1=_hex("1 1 0x1p-1 0x1.555554p-3 0x1.5554b2p-5 0x1.11118ap-7 0x1.6d71fap-10 0x1.a033p-13"),
    two_octaves=_hex("0x1.6300000000000p+0 -0x1.bd01060000000p-12"),
    bell_is_zero=14.5,
    tanh_is_one=9.25,
    erf_near=_hex(
        "0x1.06eba8p-3 -0x1.81273ep-2 0x1.ce2cf8p-4 -0x1.b7f90cp-6 0x1.5405bp-8 -0x1.a3f6f2p-11 "
        "0x1.496a1p-14"
    ),
    erf_far=_hex(
        "0x1.558eaep+1 0x1.e75322p+1 0x1.37637ap+0 0x1.ea82fp-5 -0x1.d3ccccp-7 0x1.59edeep-9 "
        "-0x1.19f234p-12"
    ),
    erf_is_one=3.95,
    log=_hex("0x1.55557ap-1 0x1.995eb6p-2 0x1.31e352p-2"),
)

_FLOAT64 = About(
    mantissa=52,
    bias=1023,
    steps=_steps(np.float64)[0],
    rest=_steps(np.float64)[1],
    exp=Base(
        low=-746.0,
        high=710.0,
        tiny=-700.0,
        rate=float.fromhex("0x1.71547652b82fep+0"),
        octave=_hex("0x1.62e42fefa39efp-1 0x1.abc9e3b39803fp-56"),
        series=_hex(
            "1 1 0x1.000000000000ap-1 0x1.55555555554fap-3 0x1.555555555087cp-5 "
            "0x1.1111111127bd7p-7 0x1.6c16c1842a12bp-10 0x1.a01a012a5b985p-13 "
            "0x1.a0199a0c5dd18p-16 0x1.71df254b188dep-19 0x1.28ad72dc62be2p-22 "
            "0x1.ad7f785608067p-26"
        ),
        short=_hex(
            "0x1.000000000000ap+0 0x1.0000000000007p-1 0x1.5555555404f8bp-3 "
            "0x1.5555555431cfcp-5 0x1.11126f0a9ba89p-7 0x1.6c18798e2af57p-10"
        ),
    ),
    exp2=Base(
        low=-1077.0,
        high=1025.0,
        tiny=-1000.0,
        rate=1.0,
        octave=(1.0,),
        series=_hex(
            "1 0x1.62e42fefa39efp-1 0x1.ebfbdff82c59cp-3 0x1.c6b08d704a0d3p-5 "
            "0x1.3b2ab6fba10ecp-7 0x1.5d87fe78b3c54p-10 0x1.4309130c30216p-13 "
            "0x1.ffcbfbf8eafa3p-17 0x1.62bfcd724d6a8p-20 0x1.b5260cb056526p-24 "
            "0x1.e6124ebd4d34ep-28 0x1.e81120cca6ff0p-32"
        ),
        short=_hex(
            "0x1.62e42fefa39fdp-1 0x1.ebfbdff82c59dp-3 0x1.c6b08d6e89fadp-5 "
            "0x1.3b2ab6fa97bafp-7 0x1.5d89be7251178p-10 0x1.430a9979c0434p-13"
        ),
    ),
    expm1=_hex(
        "1 1 0x1p-1 0x1.5555555555559p-3 0x1.555555555553fp-5 0x1.111111110f6d9p-7 "
        "0x1.6c16c16c1f08bp-10 0x1.a01a01afd4216p-13 0x1.a01a017bc2ff2p-16 "
        "0x1.71ddf87e21177p-19 0x1.27e53630b479dp-22 0x1.af5e76036ac9ep-26 "
        "0x1.1ee88393453f4p-29"
    ),
    two_octaves=_hex("0x1.62e42fefa0000p+0 0x1.cf79abc9e3b3ap-39"),
    bell_is_zero=39.0,
    tanh_is_one=20.0,
    erf_near=_hex(
        "0x1.06eba8214db68p-3 -0x1.812746b0379bdp-2 0x1.ce2f21a040d16p-4 "
        "-0x1.b82ce311fa947p-6 0x1.565bccf92b355p-8 -0x1.c02db03dd6c85p-11 "
        "0x1.f9a2baa8e3257p-14 -0x1.f4ca4d6cb2e0ep-17 0x1.b97fd3b9a8628p-20 "
        "-0x1.5c07260ad4ee2p-23 0x1.d71b08224e223p-27 -0x1.abae32551c8f7p-31"
    ),
    erf_far=_hex(
        "0x1.558eada6637f3p+1 0x1.e75328fe78c30p+1 0x1.37627e9b5d727p+0 "
        "0x1.eb313686207e1p-5 -0x1.da5764188435ap-7 0x1.7603da9ee4090p-9 "
        "-0x1.6701cb9df7d2dp-12 -0x1.3e3b672b60e89p-15 0x1.4925811dd44bfp-15 "
        "-0x1.d411a4efdd087p-17 0x1.9c63fb3849113p-19 -0x1.3ad8cdd58593cp-22 "
        "-0x1.6c785176c315dp-24 0x1.a189833f91cedp-25 -0x1.aa2a9859a2941p-27 "
        "0x1.083c35e78dc76p-29 -0x1.7ef479e120682p-33 0x1.f45b599d81b37p-38"
    ),
    erf_is_one=5.95,
    log=_hex(
        "0x1.5555555555592p-1 0x1.999999997fd82p-2 0x1.24924941f4591p-2 0x1.c71c52068a0e5p-3 "
        "0x1.74663f882fac3p-3 0x1.39a1a97d37883p-3 0x1.2f061c28c1685p-3"
    ),
)

#: By the bytes of an element.
ABOUT = {4: _FLOAT32, 8: _FLOAT64}
