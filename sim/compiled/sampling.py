"""Addressed draws and samples of distributions, for the compiled engine: the same bits as ``sim.draws`` and
``spec.distribution`` give.

Sources: SplitMix64 (see sim/draws.py); the normal quantile: M. J. Wichura, "Algorithm AS 241", Applied Statistics 37,
1988, as Python's ``statistics.NormalDist`` has it; gamma: G. Marsaglia, W. W. Tsang, "A Simple Method for Generating
Gamma Variables", ACM TOMS 26, 2000.
"""

from __future__ import annotations

import math

import numpy as np

from windtunnel.sim import draws
from windtunnel.sim.compiled.jit import COMPILED, hot, jit
from windtunnel.sim.draws import Purpose

CONSTANT, EXPONENTIAL, LOGNORMAL, UNIFORM, EMPIRICAL, GAMMA, WEIBULL, PARETO, HYPEREXPONENTIAL = range(9)

LINK = int(Purpose.LINK) << 24
SERVICE = int(Purpose.SERVICE) << 24
FIRST_TOKEN = int(Purpose.FIRST_TOKEN) << 24
TOKEN = int(Purpose.TOKEN) << 24
OUTPUT_TOKENS = int(Purpose.OUTPUT_TOKENS) << 24
BACKOFF = int(Purpose.BACKOFF) << 24
FAULT = int(Purpose.FAULT) << 24
TURN = int(Purpose.TURN) << 24
HIT = int(Purpose.HIT) << 24
BALANCE = int(Purpose.BALANCE) << 24
CHOICE = int(Purpose.CHOICE) << 24
TIMES = int(Purpose.TIMES) << 24
INPUT_TOKENS = int(Purpose.INPUT_TOKENS) << 24
PREFIX = int(Purpose.PREFIX) << 24
THINK = int(Purpose.THINK) << 24
FLOW = int(Purpose.FLOW) << 24
PROMPT = int(Purpose.PROMPT) << 24
TENANT = int(Purpose.TENANT) << 24
LAG = int(Purpose.LAG) << 24

_STEP = np.uint64(0x9E37_79B9_7F4A_7C15)
_FIRST = np.uint64(0xBF58_476D_1CE4_E5B9)
_SECOND = np.uint64(0x94D0_49BB_1331_11EB)
_30, _27, _31, _12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)

if COMPILED:

    @hot
    def mix(word):
        """One step of SplitMix64."""
        word = word + _STEP
        word = (word ^ (word >> _30)) * _FIRST
        word = (word ^ (word >> _27)) * _SECOND
        return word ^ (word >> _31)

    @hot
    def uniform(base, place):
        """The number in (0, 1) at an address."""
        return (np.float64(mix(base ^ np.uint64(place)) >> _12) + 0.5) * 2.0**-52

    @hot
    def based(base, number):
        """A base made of another one and a number."""
        return mix(base ^ np.uint64(number))

else:

    def mix(word):
        """One step of SplitMix64."""
        return np.uint64(draws.mix(int(word)))

    def uniform(base, place):
        """The number in (0, 1) at an address."""
        return ((draws.mix(int(base) ^ int(place)) >> 12) + 0.5) * 2.0**-52

    def based(base, number):
        """A base made of another one and a number."""
        return np.uint64(draws.mix(int(base) ^ int(number)))


@jit
def normal(p):
    """The standard normal's quantile function."""
    q = p - 0.5
    if math.fabs(q) <= 0.425:
        r = 0.180625 - q * q
        num = (
            ((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4) * r
                + 4.5921953931549871457e4) * r + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r
             + 1.3314166789178437745e2) * r + 3.3871328727963666080e0
        ) * q  # fmt: skip
        den = (
            ((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4) * r
                + 2.1213794301586595867e4) * r + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r
             + 4.2313330701600911252e1) * r + 1.0
        )  # fmt: skip
        return num / den
    r = p if q <= 0.0 else 1.0 - p
    r = math.sqrt(-math.log(r))
    if r <= 5.0:
        r = r - 1.6
        num = (
            ((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r
                + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r
             + 4.63033784615654529590e0) * r + 1.42343711074968357734e0
        )  # fmt: skip
        den = (
            ((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r
                + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r
             + 2.05319162663775882187e0) * r + 1.0
        )  # fmt: skip
    else:
        r = r - 5.0
        num = (
            ((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r
                + 2.65321895265761230930e-2) * r + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r
             + 5.46378491116411436990e0) * r + 6.65790464350110377720e0
        )  # fmt: skip
        den = (
            ((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r
                + 7.86869131145613259100e-4) * r + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r
             + 5.99832206555887937690e-1) * r + 1.0
        )  # fmt: skip
    x = num / den
    return -x if q < 0.0 else x


@jit
def _gamma(shape, mean, base, place):
    k = shape + 1.0 if shape < 1.0 else shape
    d = k - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    n = 2
    while True:
        x = normal(uniform(base, place | n))
        u = uniform(base, place | (n + 1))
        n += 2
        t = 1.0 + c * x
        v = t * t * t
        if t > 0.0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            value = d * v
            break
    if shape < 1.0:
        value *= uniform(base, place | 1) ** (1.0 / shape)
    return value * (mean / shape)


@jit
def _rarer(distributions, numbers, row, base, place):
    d = distributions[row]
    kind = d.kind
    if kind == GAMMA:
        return _gamma(d.b, d.a, base, place)
    u = uniform(base, place)
    if kind == UNIFORM:
        return d.a + u * (d.b - d.a)
    if kind == WEIBULL:
        return d.a * (-math.log1p(-u)) ** (1.0 / d.b)
    if kind == PARETO:
        return d.a * math.exp(-math.log1p(-u) / d.b)
    branch = d.n - 1  # hyperexponential
    for i in range(d.n - 1):
        if u < numbers[d.start + i]:
            branch = i
            break
    return -numbers[d.start + d.n + branch] * math.log1p(-uniform(base, place | 1))


@jit
def _other(distributions, numbers, row, base, place):
    d = distributions[row]
    kind = d.kind
    if kind == LOGNORMAL:
        return d.a * math.exp(d.b * normal(min(max(uniform(base, place), 1e-12), 1 - 1e-12)))
    if kind == EMPIRICAL:
        spot = uniform(base, place) * (d.n - 1)
        below = min(int(spot), d.n - 2)
        part = spot - below
        return numbers[d.start + below] * (1 - part) + numbers[d.start + below + 1] * part
    return _rarer(distributions, numbers, row, base, place)


@hot
def sample(distributions, numbers, row, base, place):
    """A value of a distribution for an address; ``place`` includes the purpose, with an index of 0."""
    d = distributions[row]
    if d.kind == EXPONENTIAL:
        return -d.a * math.log1p(-uniform(base, place))
    if d.kind == CONSTANT:
        return d.a
    return _other(distributions, numbers, row, base, place)
