"""Stored results -> one HTML file that needs nothing else: no network, no second file.

Everything that must be right without JavaScript (verdicts, table, provenance) is rendered here; the page's script
only draws the figures that `figures` has made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dctbench import analysis, units
from dctbench.analysis import Standing, Summary
from dctbench.model import Case, Environment, Result, Run
from dctbench.report import figures, rows, sources, words
from dctbench.report.labels import Labels
from dctbench.report.palette import Look, looks
from dctbench.report.svg import latency_svg


def html(
    run: Run,
    environments: Mapping[str, Environment],
    results: Sequence[Result],
    planned: int,
    *,
    title: str | None = None,
    reference: str | None = None,
) -> str:
    """The page of one run.

    Args:
        run: whose results they are.
        environments: by fingerprint.
        results: of the run, in the order of its plan.
        planned: how many cases the run set out to measure.
        title: heading of the page; the run's label or id when None.
        reference: implementation that ratios are taken against; sdpa, else full, when None.
    """
    measured = analysis.summarise(results)
    reference = reference or analysis.default_reference(summary.case for summary in measured)
    summaries = analysis.arranged(measured, reference)
    labels = Labels(summary.case for summary in summaries)
    standings = analysis.standings(summaries, reference)
    styles = looks((summary.case for summary in summaries), reference)
    drawn = _figures(summaries, standings, reference, styles, labels, _capacity(environments))
    scripts = {"plotly": sources.plotly(), "page": sources.script()}
    page: str = sources.template().render(
        title=title or run.label or f"run {run.short_id}",
        run=run,
        machine=_machine(environments),
        shape=_shape(summaries),
        reference=reference,
        cards=_cards(summaries, standings, reference, planned, labels),
        drawn=set(drawn),
        roofs=figures.roofs(standings[-1].ranked) if standings else [],
        energy=_energy(summaries, labels),
        latency_svg=latency_svg(summaries, styles, labels),
        longest=labels.place(standings[-1].ranked[0].case) if standings else None,
        payoffs=[words.payoff(p, reference, labels) for p in analysis.payoffs(summaries, reference)]
        if reference
        else [],
        scalings=[words.scaling(found, labels) for found in analysis.scalings(summaries)],
        misfits=[text for f in analysis.feasible_lengths(summaries) if (text := words.feasible(f, labels))],
        rows=_rows(summaries, reference, labels),
        warnings=words.warnings(summaries, labels),
        note=rows.APPROXIMATE_NOTE if any(rows.among_frequencies(s) for s in summaries) else None,
        environments=environments,
        command=_command(run),
        style=sources.style(),
        scripts=scripts,
        script_hashes=[sources.source_hash(text) for text in scripts.values()],
        data=embedded_json({"figures": drawn}),
    )
    return page


def embedded_json(value: Any) -> str:
    """JSON that may stand inside a script element: no character of it can end the element or start another."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _machine(environments: Mapping[str, Environment]) -> str:
    parts = dict.fromkeys(
        f"{e.facts['cpu']}, {e.facts['cores_usable']} cores, torch {e.facts['torch']}" for e in environments.values()
    )
    return "; ".join(parts)


def _shape(summaries: Sequence[Summary]) -> str:
    cases = [summary.case for summary in summaries]
    facts = (
        ("device", {c.device for c in cases}),
        ("dtype", {c.dtype for c in cases}),
        ("batch", {c.batch for c in cases}),
        ("heads", {f"{c.heads} of {c.head_dim}" for c in cases}),
        ("scope", {c.scope for c in cases}),
        ("mode", {c.mode for c in cases}),
    )
    return " · ".join(f"{name} {', '.join(sorted(map(str, values)))}" for name, values in facts)


def _figures(
    summaries: Sequence[Summary],
    standings: Sequence[Standing],
    reference: str | None,
    styles: Mapping[Case, Look],
    labels: Labels,
    capacity: float | None,
) -> dict[str, figures.Figure]:
    """The figures by name, without those that would be empty."""
    drawn = {
        "latency": figures.latency(summaries, styles, labels),
        "memory": figures.memory(summaries, styles, labels, capacity),
    }
    if reference:
        drawn["speedup"] = figures.speedup(summaries, reference, labels)
    if standings:
        at_longest = {"pareto": figures.pareto(standings[-1], styles), "split": figures.split(standings[-1])}
        drawn |= {name: figure for name, figure in at_longest.items() if figure}
    return {name: figure for name, figure in drawn.items() if figure["data"]}


def _energy(summaries: Sequence[Summary], labels: Labels) -> list[str]:
    """The energy of a call where it was measured, else the reason why not, once."""
    measured = [
        f"{labels.curve(s.case)} at n = {s.case.seq_len}: {units.count(s.values['energy'], 'J')} a call"
        for s in summaries
        if "energy" in s.values
    ]
    reasons = dict.fromkeys(str(s.details["energy.absent"]) for s in summaries if "energy.absent" in s.details)
    return measured or [f"not measured: {reason}" for reason in reasons]


def _capacity(environments: Mapping[str, Environment]) -> float | None:
    """Bytes of memory of the machine, where all environments agree on them and none has a GPU of its own."""
    sizes = {environment.facts.get("memory_bytes") for environment in environments.values()}
    gpu = any(environment.facts.get("gpu") for environment in environments.values())
    [size] = sizes if len(sizes) == 1 else [None]
    return float(size) if isinstance(size, int | float) and not gpu else None


def _cards(
    summaries: Sequence[Summary], standings: Sequence[Standing], reference: str | None, planned: int, labels: Labels
) -> list[dict[str, Any]]:
    """The verdicts: a question, its answer in a sentence, and what it rests on."""
    cards = []
    if standings:
        longest = standings[-1]
        cards.append(
            {
                "question": "Which is fastest?",
                "answer": f"At {labels.place(longest.ranked[0].case)}, {words.fastest(longest)}.",
                "details": [f"{labels.place(s.ranked[0].case)}: {words.fastest(s)}" for s in standings[:-1]],
            }
        )
    if reference:
        found = [p for p in analysis.payoffs(summaries, reference) if p.case.implementation.startswith("dct")]
        if found:
            sentences = [words.payoff(p, reference, labels) for p in found]
            cards.append({"question": "From which length does the DCT pay?", "answer": f"{sentences[0]}.",
                          "details": sentences[1:]})  # fmt: skip
    if standings:
        cards.append(_cost_card(standings[-1], labels))
    cards.append(
        {
            "question": "Is it all there, and can I trust it?",
            "answer": f"{words.coverage(summaries, planned)}.",
            "details": [words.trust(summaries)],
        }
    )
    return cards


def _cost_card(standing: analysis.Standing, labels: Labels) -> dict[str, Any]:
    details = []
    for summary in standing.ranked:
        memory = "memory not measured" if summary.memory is None else units.size(summary.memory)
        details.append(f"{summary.case.name}: {memory}, relative error {rows.error_words(summary)}")
    leanest = min(standing.ranked, key=lambda s: s.memory if s.memory is not None else float("inf"))
    answer = f"At {labels.place(leanest.case)}, {leanest.case.name} needs the least memory"
    if leanest.memory is not None:
        answer += f", {units.size(leanest.memory)}"
        reference = standing.reference
        if reference is not None and reference.memory and reference is not leanest:
            answer += f" against {units.size(reference.memory)} for {reference.case.name}"
    return {"question": "What does it need, and what do I give up?", "answer": f"{answer}.", "details": details}


def _rows(summaries: Sequence[Summary], reference: str | None, labels: Labels) -> list[dict[str, Any]]:
    found = analysis.references(summaries, reference) if reference else {}
    return [
        {
            "cells": rows.row(summary, found.get(summary.case.shape), labels),
            "p95": "-" if summary.p95 is None else units.seconds(summary.p95),
            "flops": units.count(summary.values["flops"], "FLOP") if "flops" in summary.values else "-",
            "noise": units.relative_error(summary.values["error.noise"]) if "error.noise" in summary.values else "-",
            "samples": len(summary.samples),
            "stop": summary.details.get("stop_reason", ""),
            "warnings": len(summary.warnings),
            "ok": summary.latency is not None,
        }
        for summary in summaries
    ]


def _command(run: Run) -> str:
    import shlex

    return shlex.join(["dctbench", *run.argv])
