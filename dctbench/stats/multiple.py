"""Which of several claims hold, given a p-value for each."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return which claims hold together at the level alpha, in the order given (Holm, Scand. J. Stat. 6, 1979).

    The probability of any false claim is at most alpha, under any dependence. With p = 1 / e of test martingales this
    is the procedure of Vovk and Wang (Ann. Stat. 49, 2021).
    """
    holds = [False] * len(p_values)
    for rank, i in enumerate(_ascending(p_values)):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        holds[i] = True
    return holds


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> list[bool]:
    """Return which claims hold so that in expectation at most that share of them is false, in the order given.

    (Benjamini and Hochberg, J. R. Stat. Soc. B 57, 1995.) This holds for independent p-values and for positively
    dependent ones, such as those of ratios to a common reference.
    """
    order = _ascending(p_values)
    count = next((k for k in range(len(order), 0, -1) if p_values[order[k - 1]] <= rate * k / len(order)), 0)
    held = set(order[:count])
    return [i in held for i in range(len(p_values))]


def _ascending(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=lambda i: p_values[i])
