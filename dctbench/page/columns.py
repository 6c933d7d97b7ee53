"""The results as columns with an entry per result, which is compact for ten thousand results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dctbench import analysis
from dctbench.analysis import Placed, Ranking, Summary, Winner
from dctbench.analysis.capacity import needed_bytes
from dctbench.analysis.decision import Worth, unbeaten
from dctbench.catalog import ACCURACY
from dctbench.model import STATUSES
from dctbench.page.facets import Contents, Facet, curve_of
from dctbench.page.packing import (
    ALPHABET,
    Formatter,
    Sentences,
    bits,
    brief,
    brief_above,
    columns,
    pairs,
    scaled,
    steps,
)
from dctbench.text.format import (
    format_ratio,
    format_relative_error,
    format_seconds,
    format_seconds_with_interval,
    format_three_digits,
)
from dctbench.wording.cells import failure_words
from dctbench.wording.decision import accuracy_cell, worth_words
from dctbench.wording.ran import last_words, ran_words, spread_words
from dctbench.wording.summary import CEILINGS
from dctbench.wording.timeliness import counted
from dctbench.wording.warnings import message

SAMPLES = 250_000
"""The most samples in a page. If there are more, each result keeps every k-th."""
STAGES = ("projections", "attention", "transform", "other")
SPREADS = 2000
"""The most results of a page with quantiles in the rows, which no two rows share."""
_PRINTED = 100
"""The most texts of failed processes in a page: one text of each of thousands of failures would make it too large."""
_STOPS = 32
"""The most stop reasons. dctbench has five; an imported file may have others."""
_MICRO, _MEGA, _GIGA = 1e-6, 1e6, 1e9
_SAFE = (Worth.EXACT, Worth.AS_GOOD)
_WINNERS = {Winner.FASTER: "f", Winner.SLOWER: "s", Winner.TIE: "t"}

Values = list[float | None]


def results(contents: Contents, sentences: Sentences) -> dict[str, Any]:
    """Return every result of every facet, in the order of the facets.

    Times are in µs, the memory of the process in KiB, FLOPs in millions, and rates in GFLOP/s. The ends of an interval
    are given as their distance from the value, in thousandths of the value. The strings beside `columns` have a
    character per result.
    """
    summaries = [summary for facet in contents.facets for summary in facet.summaries]
    numbers = {curve_of(case): number for number, case in enumerate(contents.curves)}
    placed = [one for facet in contents.facets for one in facet.placed]
    most = max(1, SAMPLES // max(1, sum(bool(summary.samples) for summary in summaries)))
    table: dict[str, Values] = {
        "curve": [numbers[curve_of(s.case)] for s in summaries],
        "accuracy": [_accuracy(s) for s in summaries],
        "count": [s.counted or None for s in summaries],
        "p95": [_time(s.p95 if s.timed else None) for s in summaries],
        "memory": [needed_bytes(s)[0] for s in summaries],
        "resident": [s.values.get("memory.resident") for s in summaries],
        "process": [_kibibytes(s.values.get("memory.process")) for s in summaries],
        "flops": [_flops(s.values.get("flops")) for s in summaries],
        "smooth": [_limited_error(s.values.get("error.smooth")) for s in summaries],
        "int8": [_limited_error(s.int8_error) for s in summaries],
        "noise": [_error(s.values.get("error.noise")) for s in summaries],
        "miss_rate": [s.timeliness.miss_rate().high if s.timeliness else None for s in summaries],
        **_latencies(summaries),
        **_ranks(contents),
        **_roofs(placed),
    }
    worths = [worth for facet in contents.facets for worth in _worths(contents, facet)]
    known = {worth: number for number, worth in enumerate(dict.fromkeys(worths))}
    reasons = [s.details.stop_reason for s in summaries]
    stops = list(dict.fromkeys(reason for reason in reasons if reason is not None))[:_STOPS]
    reasons = [reason if reason in stops else None for reason in reasons]
    printed = list(dict.fromkeys(text for text in map(last_words, summaries) if text is not None))[:_PRINTED]
    places = {text: place for place, text in enumerate(printed)}
    others: dict[str, list[Any]] = {
        "ties": _ties(contents),
        "worth": [known[worth] for worth in worths],
        "samples": [_samples(s, most) for s in summaries],
        "split": [_split(summary) for summary in summaries],
        "failure": [None if s.status == "ok" else sentences.coded(failure_words(s)) for s in summaries],
        "printed": [places.get(last_words(s) or "") for s in summaries],
        "ran": [_ran(s, sentences, with_spread=len(summaries) <= SPREADS) for s in summaries],
        "late": [sentences.coded(counted(s.timeliness)) if s.timeliness else None for s in summaries],
        "warnings": [[sentences.coded(message(warning)) for warning in s.warnings] or None for s in summaries],
    }
    return {
        "columns": columns({name: _whole(values) for name, values in table.items()} | others),
        "stops": stops,
        "printed": printed,
        "worths": list(known),
        "stop": _letters(reasons, stops),
        "bound": _letters([one.bound if one else None for one in placed], list(CEILINGS)),
        "alone": "".join("y" if summary.in_one_round else "-" for summary in summaries),
        "front": _front(contents),
        "unbeaten": _unbeaten(contents),
        "status": "".join(str(STATUSES.index(s.status)) for s in summaries),
        "speedups": {name: _speedups(contents, name) for name in contents.references},
    }


def _ran(summary: Summary, sentences: Sentences, *, with_spread: bool) -> str | None:
    parts = [ran_words(summary), spread_words(summary) if with_spread else ""]
    return sentences.coded("; ".join(filter(None, parts))) if any(parts) else None


def _worths(contents: Contents, facet: Facet) -> list[tuple[bool, str, str]]:
    """For each result: whether it is worth as much as exact attention, its accuracy, and why one would not take it."""
    known = contents.accuracies(facet)
    return [(known.worth(s) in _SAFE, accuracy_cell(s, known), worth_words(s, known)) for s in facet.summaries]


def _accuracy(summary: Summary) -> float | None:
    """With the digits of the table: a script would round a tie of floating point the other way."""
    accuracy = summary.values.get(ACCURACY) if summary.status == "ok" else None
    return None if accuracy is None else round(accuracy, 3)


def _kibibytes(value: float | None) -> float | None:
    return None if value is None else value / 1024


def _whole(values: Values) -> Values:
    """Write 8388608.0 as 8388608. Sizes are not rounded, because a budget may equal the size of a tensor."""
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]


def _latencies(summaries: Sequence[Summary]) -> dict[str, Values]:
    table: dict[str, Values] = {name: [] for name in ("mean", "below", "above", "p99", "p99_high")}
    for summary in summaries:
        latency, tail = summary.timed, summary.p99 if summary.timed else None
        table["mean"].append(_time(latency.value if latency else None))
        table["p99"].append(_time(tail.value if tail else None))
        table["p99_high"].append(_limited_time(tail.high if tail else None))
        below, above = (None, None) if latency is None else _ends(latency.value, latency.low, latency.high)
        table["below"].append(below)
        table["above"].append(above)
    return table


def _ends(value: float, low: float, high: float) -> tuple[float, float]:
    """The distances of the ends in thousandths, with as few digits as give the same text.

    The script computes with the latency as it was written, so that is what the text is tried with.
    """
    words, shown = format_seconds_with_interval(value, low, high), scaled(_time(value) or 0.0, _MICRO)
    below, above = (shown - low) / shown * 1000, (high - shown) / shown * 1000
    for digits in (3, 5, 9):
        short = float(f"{below:.{digits}g}"), float(f"{above:.{digits}g}")
        if format_seconds_with_interval(shown, shown * (1 - short[0] / 1000), shown * (1 + short[1] / 1000)) == words:
            return short
    return below, above


def _speedups(contents: Contents, reference: str) -> dict[str, Any]:
    """Each result compared with one reference, and the status of the reference."""
    ratios: dict[str, Values] = {"ratio": [], "low": [], "high": []}
    winners, missing = [], []
    for facet in contents.facets:
        found, speedups = analysis.reference_by_shape(facet.summaries, reference), contents.speedups(facet, reference)
        for summary in facet.summaries:
            beside, speedup = found.get(summary.case.shape), speedups.get(summary.case)
            winners.append(_WINNERS[speedup.mark or Winner.TIE] if speedup else "-")
            missing.append("-" if beside is None else str(STATUSES.index(beside.status)))
            for name, values in ratios.items():
                value = getattr(speedup, name) if speedup else None
                values.append(_ratio(value))
    return {"columns": columns(ratios), "winner": "".join(winners), "reference": "".join(missing)}


def _ranks(contents: Contents) -> dict[str, Values]:
    ranks: Values = []
    for summaries, ranking in _ranked_shapes(contents):
        places = {s.case: place for place, s in enumerate(ranking.ranked)} if ranking else {}
        ranks += [places.get(s.case) for s in summaries]
    return {"rank": ranks}


def _roofs(placed: Sequence[Placed | None]) -> dict[str, Values]:
    """Each result in the roofline of its machine."""
    return {
        "intensity": [_intensity(one.intensity if one else None) for one in placed],
        "rate": [_rate(one.rate if one else None) for one in placed],
        "share": [_share(one.share if one else None) for one in placed],
    }


def _ties(contents: Contents) -> list[str | None]:
    """For each ranked result, the later ranks that are tied with it. The first bit is the next rank."""
    found: list[str | None] = []
    for summaries, ranking in _ranked_shapes(contents):
        by_case: dict[Any, str] = {}
        if ranking:
            for place, (summary, later) in enumerate(zip(ranking.ranked, ranking.tied, strict=True)):
                by_case[summary.case] = bits([other - place - 1 for other in later])
        found += [by_case.get(s.case) or None for s in summaries]
    return found


def _front(contents: Contents) -> str:
    """A character per result: `y` if no other approximation of its shape is better in both latency and error."""
    marks = []
    for summaries, ranking in _ranked_shapes(contents):
        known = [s for s in ranking.ranked if s.approximates and "error.smooth" in s.values] if ranking else []
        points = [(s.latency.value, s.values["error.smooth"]) for s in known if s.latency]
        best = {known[index].case for index in analysis.front(points)}
        marks += ["y" if s.case in best else "-" for s in summaries]
    return "".join(marks)


def _unbeaten(contents: Contents) -> str:
    """A character per result: `y` if no other method of its shape beats it."""
    marks = []
    for facet in contents.facets:
        known = contents.accuracies(facet)
        best = {summary.case for ranking in facet.ranking for summary in unbeaten(ranking, known)}
        marks += ["y" if s.case in best else "-" for s in facet.summaries]
    return "".join(marks)


def _ranked_shapes(contents: Contents) -> list[tuple[tuple[Summary, ...], Ranking | None]]:
    """The results of each shape and their ranking, in order."""
    found = []
    for facet in contents.facets:
        rankings = {ranking.seq_len: ranking for ranking in facet.ranking}
        found += [(members, rankings.get(length)) for length, _, members in facet.shapes]
    return found


def _letters(values: Sequence[Any], known: Sequence[Any]) -> str:
    """A character per value: its index in `known`, or a dash for None."""
    return "".join("-" if value is None else ALPHABET[known.index(value)] for value in values)


def _samples(summary: Summary, most: int) -> str | None:
    """The distances of the least and the greatest sample from the median in thousandths, and the samples between them.

    Of more than `most` samples, every k-th is kept.
    """
    if summary.timed is None:
        return None
    middle = summary.timed.value
    low, high = min(summary.samples), max(summary.samples)
    chosen = summary.samples[:: -(-len(summary.samples) // most)]
    return f"{1000 * (1 - low / middle):.3g} {1000 * (high / middle - 1):.3g} {steps(chosen, low, high)}"


def _split(summary: Summary) -> str | None:
    """The share of each stage in thousandths, or None if the call was not profiled or the shares are invalid."""
    split = summary.details.split
    if split is None:
        return None
    found = [float(split.shares.get(stage, 0.0)) for stage in STAGES]
    return pairs([round(1000 * share) for share in found]) if all(0 <= share <= 1 for share in found) else None


def _number(scale: float = 1.0, fewest: int = 4) -> Callable[[float | None], float | None]:
    return lambda value: None if value is None else brief(value, scale, fewest=fewest)


def _plain(words: Formatter, scale: float = 1.0) -> Callable[[float | None], float | None]:
    """For numbers whose text has more digits from a thousand on: 1234 s, 1234.5x."""
    return lambda value: None if value is None else brief(value, scale, fewest=4 if value < 999 else 9, words=words)


def _limited(words: Formatter, scale: float = 1.0) -> Callable[[float | None], float | None]:
    """For numbers that budgets limit."""
    return lambda value: None if value is None else brief_above(value, scale, words=words)


_time = _plain(format_seconds, _MICRO)
_ratio = _plain(format_ratio)
_error = _plain(format_relative_error)
_limited_time = _limited(format_seconds, _MICRO)
_limited_error = _limited(format_relative_error)
_intensity = _plain(format_three_digits)
_flops = _number(_MEGA)
_rate = _number(_GIGA)
_share = _number(fewest=3)
