"""Claims in chains: within a chain each claim is tested only after those before it held."""

from __future__ import annotations

from collections.abc import Sequence


def chains(p_values: Sequence[Sequence[float]], alpha: float) -> list[int]:
    """Return how many claims hold from the start of each chain, all together at the level alpha.

    A chain may be one method at the ratios 2, 4, 8, 16: "holds up to 8" is tested only after "holds up to 4" held, and
    needs no further correction. The level is shared equally among the chains. A chain whose claims all hold passes its
    share on to those that are not finished (Bretz et al., Stat. Med. 28, 2009). For chains of one claim this is Holm's
    procedure. The probability of any false claim is at most alpha, under any dependence.

    Args:
        p_values: of the claims of each chain, in their order.
        alpha: the level of all claims together.
    """
    held = [0] * len(p_values)
    while open_chains := [i for i, chain in enumerate(p_values) if held[i] < len(chain)]:
        share = alpha / len(open_chains)
        passed = [i for i in open_chains if p_values[i][held[i]] <= share]
        if not passed:
            break
        for i in passed:
            held[i] += 1
    return held
