"""The JSON block of the page, from which the script selects and draws.

Its types are in reports/types.d.ts.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from dctbench import analysis, catalog
from dctbench.analysis.budgets import usual_budgets
from dctbench.analysis.capacity import device_memory
from dctbench.catalog.engines import ENGINES
from dctbench.model import STATUSES, Case
from dctbench.page import columns, narrative
from dctbench.page.charts.axes import Figure
from dctbench.page.facets import AXES, Contents, Facet
from dctbench.page.packing import Sentences
from dctbench.page.palette import looks
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import decision, recommendation
from dctbench.wording import summary as words
from dctbench.wording.cells import process_memory
from dctbench.wording.commands import method_flags


def page_data(contents: Contents, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Return everything that the script needs, ready for `embedded`.

    Args:
        contents: of the page.
        figures: the figures made in Python, by name.
    """
    sentences = Sentences()
    rows = columns.results(contents, sentences)
    encoded = narrative.encoded(contents, sentences)
    first = 0
    facets = []
    for facet, lines in zip(contents.facets, encoded, strict=True):
        facets.append(_facet(facet, first, contents) | lines)
        first += len(facet.summaries)
    return {
        "axes": [axis for axis in AXES if axis in contents.labels.varying],
        "statuses": STATUSES,
        "stages": columns.STAGES,
        "reference": contents.reference,
        "references": contents.references,
        "runs": [_run(recorded) for recorded in contents.runs],
        "curves": _curves(contents),
        "facets": facets,
        "forms": sentences.forms,
        "choice": {
            "templates": {**recommendation.TEMPLATES, **decision.TEMPLATES},
            "budgets": recommendation.BUDGETS,
            "mean": recommendation.MEAN,
        },
        "roof": {"template": words.ROOF_TEMPLATE, "ceilings": list(words.CEILINGS.values())},
        "figures": figures,
        "rows": rows,
    }


def embedded(value: Any) -> str:
    """Return JSON for a script element: none of its characters can end the element or start another."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _run(recorded: RecordedRun) -> dict[str, Any]:
    return {
        "title": recorded.title,
        "id": recorded.run.short_id,
    }


def _capacity(facet: Facet, contents: Contents) -> list[str | float] | None:
    """The device of a facet with its memory in bytes; None where this is not known."""
    device = facet.case.device
    found = device_memory(contents.runs[facet.run].environments.values(), device)
    return None if found is None else ["this machine" if device == "cpu" else device, found]


def _facet(facet: Facet, first: int, contents: Contents) -> dict[str, Any]:
    return {
        "run": facet.run,
        "axes": {axis: getattr(facet.case, axis) for axis in contents.labels.varying},
        "label": contents.labels.facet(facet.case),
        "flags": facet.flags,
        "opens": facet.opening[0],
        "deadline": facet.case.deadline,
        "capacity": _capacity(facet, contents),
        "process": process_memory(facet.case),
        "learned": contents.accuracies(facet).tells,
        "miss_rate": usual_budgets(facet.case).miss_rate,
        "quantised": (engine := ENGINES.get(facet.case.engine)) is not None and engine.quantised,
        "ceilings": list(map(list, analysis.distinct_ceilings(filter(None, facet.placed)))),
        "shapes": [[length, first + begin, len(members)] for length, begin, members in facet.shapes],
    }


def _curves(contents: Contents) -> list[dict[str, Any]]:
    styles: Mapping[Case, Any] = looks(contents.curves, None)
    meanings = {s.case.implementation: s.error_means for facet in contents.facets for s in facet.summaries}
    found = []
    for case in contents.curves:
        look, method = styles[case], catalog.recorded_implementation(case.implementation)
        found.append(
            {
                "name": case.name,
                "method": case.implementation,
                "family": method.family.value,
                "ratio": case.ratio,
                "kept": case.kept,
                "layers": case.layers,
                "recover": case.recover,
                "flags": shlex.join(method_flags([case])),
                "how": decision.how_to_measure(case),
                "exact": method.kind is catalog.Kind.EXACT,
                "error_means": meanings[case.implementation].value,
                "color": look.color,
                "dash": look.dash,
                "symbol": look.symbol,
            }
        )
    return found
