"""Student's t and F distributions with real degrees of freedom, and the two functions that variance priors need.

They are plain Python: the command line uses them and imports neither NumPy nor SciPy. Sources are in Abramowitz and
Stegun, Handbook of Mathematical Functions, by formula.
"""

from __future__ import annotations

import math
from functools import lru_cache

_STEPS = 300
_MOST_LOG = 690.0
"""The exponential of this, times a thousand degrees of freedom, is still a float."""
_SMALLEST = 1e-300
_ACCURACY = 1e-15
_ASYMPTOTIC = 8.0
"""From here on the asymptotic series of digamma and trigamma are exact to 1e-12."""


def student_t_two_sided(t: float, degrees: float) -> float:
    """Return P(|T| >= |t|) for Student's t with `degrees` > 0 degrees of freedom (26.7.1)."""
    if math.isinf(t):
        return 0.0
    return incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5)


@lru_cache(maxsize=4096)
def student_t_quantile(degrees: float, confidence: float = 0.95) -> float:
    """Return t with P(|T| <= t) = confidence, by bisection on the angle whose tangent is t / sqrt(degrees).

    Raises:
        ValueError: for no degree of freedom.
    """
    if not degrees > 0:
        raise ValueError("Student's t needs degrees of freedom")
    low, high = 0.0, math.pi / 2
    for _ in range(80):
        angle = (low + high) / 2
        outside = incomplete_beta(math.cos(angle) ** 2, degrees / 2, 0.5)
        low, high = (angle, high) if outside > 1 - confidence else (low, angle)
    return math.tan(low) * math.sqrt(degrees)


def f_upper_tail(ratio: float, above: float, below: float) -> float:
    """Return P(F >= ratio) for F with `above` and `below` degrees of freedom (26.6.2)."""
    return incomplete_beta(below / (below + above * ratio), below / 2, above / 2)


@lru_cache(maxsize=4096)
def f_upper_quantile(probability: float, above: float, below: float) -> float:
    """Return the ratio with P(F >= ratio) = probability, by bisection on its logarithm."""
    low, high = -_MOST_LOG, _MOST_LOG
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if f_upper_tail(math.exp(middle), above, below) < probability else (middle, high)
    return math.exp(low)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) by its continued fraction (26.5.8).

    Args:
        x: from 0 to 1.
        a, b: above 0.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1 - incomplete_beta(1 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / a / _beta_fraction(x, a, b)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1 / (1 + d2 / (1 + ...)) by the modified method of Lentz (Appl. Opt. 15, 1976)."""
    value, numerator, denominator = 1.0, 1.0, 0.0
    for step in range(1, _STEPS):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + step - 1) * (a + step))
        else:
            term = half * (b - half) * x / ((a + step - 1) * (a + step))
        denominator = 1 / _apart(1 + term * denominator)
        numerator = _apart(1 + term / numerator)
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < _ACCURACY:
            break
    return value


def _apart(value: float) -> float:
    """Keep a divisor away from 0."""
    return value if abs(value) > _SMALLEST else _SMALLEST


def digamma(x: float) -> float:
    """Return the derivative of log gamma at x > 0: by recurrence (6.3.5) and the asymptotic series (6.3.18)."""
    total = 0.0
    while x < _ASYMPTOTIC:
        total -= 1 / x
        x += 1
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    return total + math.log(x) - 0.5 / x - series


def trigamma(x: float) -> float:
    """Return the second derivative of log gamma at x > 0: by recurrence (6.4.6) and the asymptotic series (6.4.12)."""
    total = 0.0
    while x < _ASYMPTOTIC:
        total += 1 / (x * x)
        x += 1
    square = 1 / (x * x)
    series = square * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square * (1 / 30 - square * 5 / 66))))
    return total + 1 / x + square / 2 + series / x


def inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value > 0, by bisection on its logarithm."""
    low, high = math.log(1e-8), math.log(1e8)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if trigamma(math.exp(middle)) > value else (low, middle)
    return math.exp(low)
