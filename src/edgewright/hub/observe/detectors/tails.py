"""Tail probabilities with numpy alone: normal, Student's t, χ², and their quantiles where they are needed."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TERMS = 400


def chi_square_quantile(freedom: Floats, level: float) -> Floats:
    """The quantile of χ² that is exceeded with probability `level` (Wilson and Hilferty, 1931)."""
    normal = NormalDist().inv_cdf(1 - level)
    spread = 2 / (9 * freedom)
    return np.asarray(freedom * (1 - spread + normal * np.sqrt(spread)) ** 3)


def normal_tail(z: Floats) -> Floats:
    """P(|Z| > |z|) of a standard normal."""
    return np.asarray(np.vectorize(math.erfc, otypes=[np.float64])(np.abs(z) / math.sqrt(2)))


def chi_square_tail(value: Floats, freedom: Floats) -> Floats:
    """P(χ² > value), to about ten digits down to 1e-300: the regularised upper incomplete gamma function.

    By its series below the mean and by Lentz's continued fraction above it (Press et al., Numerical Recipes, 6.2).
    """
    x, a = np.broadcast_arrays(np.maximum(value, 0) / 2, np.asarray(freedom, np.float64) / 2)
    return np.asarray(np.vectorize(_gamma_tail, otypes=[np.float64])(a, x))


def t_tail(t: Floats, freedom: float) -> Floats:
    """P(|T| > |t|) of Student's t: the regularised incomplete beta function (Numerical Recipes, 6.4)."""
    return np.asarray(np.vectorize(lambda one: _t_tail(one, freedom), otypes=[np.float64])(t))


def _gamma_tail(a: float, x: float) -> float:
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, TERMS):
            term *= x / (a + n)
            total += term
        return max(0.0, 1 - scale * total)
    b, c = x + 1 - a, 1e300
    d = h = 1 / b
    for n in range(1, TERMS):
        step = -n * (n - a)
        b += 2
        d = 1 / _nonzero(step * d + b)
        c = _nonzero(b + step / c)
        h *= d * c
    return scale * h


def _t_tail(t: float, freedom: float) -> float:
    if not math.isfinite(t):
        return 0.0
    x = freedom / (freedom + t * t)
    return _beta(freedom / 2, 0.5, x)


def _beta(a: float, b: float, x: float) -> float:
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(front) * _beta_fraction(a, b, x) / a
    return 1 - math.exp(front) * _beta_fraction(b, a, 1 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 / _nonzero(1 + step * d)
            c = _nonzero(1 + step / c)
            h *= d * c
    return h


def _nonzero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
