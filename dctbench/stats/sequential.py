"""How sure is it that head is slower? Numbers in, p-values out, valid whenever one stops to look.

The unit is a pair of processes, base and head. Were both the same code, either could have come out as base, so the
logarithm of their ratio would be as likely +d as -d, whatever the machine did meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

STEEPNESS = 2.0
"""A change of the whole tolerance counts tanh(2) = 0.96 of the most that one pair can count."""
STAKE = 0.95
"""What one pair can win or lose of the evidence. At 1 a single pair that came out far the other way, as on a shared
machine one does now and then, took all that went before it and could not be made up for in fifteen.
"""


def paired_p(changes: Sequence[float], tolerance: float) -> float:
    """The anytime-valid p-value of "head is not slower", from the log ratios head / base of pairs.

    Each pair multiplies the evidence by 1 + 0.95 tanh(2 d / log(1 + tolerance)): for d that is symmetric about 0 the
    expectation is 1, because tanh is odd, so the product is a test martingale, and by Ville's inequality it reaches
    1 / p with probability p at most, however often one looks and whenever one stops (Shafer, J. R. Stat. Soc. A 184,
    2021; Ramdas et al., Stat. Sci. 38, 2023). However far out it lies, no pair counts for more than a factor of 1.95,
    nor against it for more than 1 / 20, and a small step back costs little: it is the sequential form of a sign test
    that looks at sizes too.

    Args:
        changes: log(head / base) by pair.
        tolerance: the change that matters, 0.1 for 10%; sets the scale only.
    """
    scale = math.log1p(tolerance)
    evidence = math.prod(1 + STAKE * math.tanh(STEEPNESS * change / scale) for change in changes)
    return 1.0 if evidence <= 1 else 1 / evidence


def least_paired_p(pairs: int) -> float:
    """What `paired_p` gives at the least: where all of so many pairs are as far out as can count."""
    return (1 + STAKE) ** -pairs


def rank_sum_p(base: Sequence[float], head: Sequence[float]) -> float:
    """The exact one-sided p-value of the rank-sum test that head's values are larger (Mann and Whitney, 1947).

    For processes that were not measured in pairs. A tie counts against the claim.
    """
    larger = sum(h > b for h in head for b in base)
    total = math.comb(len(base) + len(head), len(base))
    return sum(_rank_sums(len(base), len(head))[larger:]) / total


@lru_cache(maxsize=256)
def _rank_sums(base: int, head: int) -> tuple[int, ...]:
    """Of all orders of base and head values, in how many head's is the larger in exactly u of the pairs, by u."""
    if base == 0 or head == 0:
        return (1,)
    counts = [0] * (base * head + 1)
    for u, ways in enumerate(_rank_sums(base, head - 1)):  # the largest of all is a head's
        counts[u + base] += ways
    for u, ways in enumerate(_rank_sums(base - 1, head)):  # or a base's
        counts[u] += ways
    return tuple(counts)


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which of several claims hold together at the level alpha (Holm, Scand. J. Stat. 6, 1979), in the order given.

    Under any dependence the probability of one false claim or more is at most alpha. With p = 1 / e of test
    martingales it is the procedure of Vovk and Wang (Ann. Stat. 49, 2021).
    """
    held = [False] * len(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for rank, i in enumerate(order):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        held[i] = True
    return held
