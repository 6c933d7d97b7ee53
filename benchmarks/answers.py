"""What the result files of the gallery answer, as Markdown: the words are those of dctbench's own report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dctbench import analysis
from dctbench.analysis import Summary
from dctbench.analysis.accuracy import TaskResults, task_results
from dctbench.analysis.deadlines import deadlines
from dctbench.analysis.in_model import in_models
from dctbench.analysis.resolution import acuities
from dctbench.catalog.tasks import TASKS
from dctbench.importers import read_file
from dctbench.text.format import listed
from dctbench.wording import accuracy, in_model
from dctbench.wording import deadlines as words
from dctbench.wording.labels import Labels

GALLERY = Path(__file__).resolve().parents[1] / "reports" / "gallery"


def summaries(path: Path) -> tuple[list[Summary], float | None]:
    """The summaries of a result file, the reference first, and the margin that its suite declares."""
    run, _, results, _ = read_file(str(path))
    reference = analysis.default_reference(result.case for result in results)
    return analysis.arranged(analysis.summarise(results), reference), run.settings.margin


def tasks(path: Path) -> list[str]:
    """Which method is as good as exact attention on each task, and the accuracy and verdict of each method.

    A task that has had other steps since then is left out: what a short training shows is no answer any more.
    """
    every = task_results(*_with_margin(path))
    found = [results for results in every if not _has_other_steps(results)]
    widths = {one.case: one.resolution for results in found for one in acuities(results)}
    heads = [accuracy.task_words(results.task) for results in found]
    lines = [f"- {accuracy.headline(results)}." for results in found]
    lines += [_outdated(results) for results in every if results not in found]
    resolution = ["resolution"] if widths else []
    lines += ["", f"| method | {' | '.join(heads + resolution)} |", "|---" + "|--:" * len(heads + resolution) + "|"]
    for name in dict.fromkeys(score.case.name for results in found for score in results.scores):
        cells = [_cell(results, name) for results in found]
        if widths:
            width = next((found for case, found in widths.items() if case.name == name), None)
            cells.append(accuracy.resolution_words(width))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    trained = {score.case.name: said for one in found for score in one.scores if (said := accuracy.trained_with(score))}
    return [*lines, *(f"\n`{name}` was {listed(said)}." for name, said in trained.items())]


def _has_other_steps(results: TaskResults) -> bool:
    then, now = _steps(results), _steps_now(results)
    return then is not None and now is not None and then != now


def _steps(results: TaskResults) -> int | None:
    known = (seed.steps for score in results.scores for seed in score.seeds)
    return next((steps for steps in known if steps is not None), None)


def _steps_now(results: TaskResults) -> int | None:
    entry = TASKS.get(results.task.base)
    return None if entry is None or entry.facts is None else entry.facts.full_steps(results.task)


def _outdated(results: TaskResults) -> str:
    return (
        f"- On {accuracy.task_title(results)}, this file has trainings of {_steps(results):,} steps. The task has "
        f"{_steps_now(results):,} now, so it is left out."
    )


def _with_margin(path: Path) -> tuple[list[Summary], None, float | None]:
    found, margin = summaries(path)
    return found, None, margin


def _cell(results: TaskResults, name: str) -> str:
    """`0.842, worse`: the reference has no verdict."""
    for one in results.methods:
        if one.case.name == name and one.score.mean is not None:
            return f"{one.score.mean:.3f}, {accuracy.STANDINGS[one.standing]}"
    reference = results.reference
    return f"{reference.mean:.3f}" if reference and reference.mean is not None and reference.case.name == name else "-"


def model(path: Path) -> list[str]:
    """What a model gains at each length, and what each method does to it at the longest one."""
    measured = summaries(path)[0]
    found, labels = in_models(measured), Labels(summary.case for summary in measured)
    longest = found[-1]
    trained = any(one.recovered for one in longest.methods)
    heads = ["latency", "speed-up of the model", in_model.metric_words(longest.metric), "change"]
    heads += ["after training", "change"] if trained else []
    answers = [f"- {in_model.answer(shape, labels)}." for shape in found]
    lines = [*answers, "", f"At {in_model.place(longest, labels)}:", ""]
    lines += [f"| method | {' | '.join(heads)} |", "|---" + "|--:" * len(heads) + "|"]
    for row in in_model.rows(longest, [longest.metric]):
        cells = [row.name, row.latency, row.speedup, *row.quality, row.change]
        lines.append(f"| {' | '.join(cells + ([row.recovered, row.recovered_change] if trained else []))} |")
    return lines


def in_time(path: Path) -> list[str]:
    """What to ship at each length within a deadline, and up to which length each method keeps it in each engine."""
    lines = []
    for found in deadlines(summaries(path)[0]):
        lines += [f"{words.heading(found)}. {words.rule(found)}", ""]
        lines += [f"- {words.at_length(one, found.engines)}." for one in found.lengths]
        lines += ["", f"| method | {' | '.join(found.engines)} |", "|---" * (len(found.engines) + 1) + "|"]
        for name, engines in found.curves.items():
            cells = (words.cell(engines.get(engine, ())) for engine in found.engines)
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


ANSWERS: Mapping[Path, Callable[[Path], Sequence[str]]] = {
    GALLERY / "accuracy.json": tasks,
    GALLERY / "accuracy-long.json": tasks,
    GALLERY / "recall-long.json": tasks,
    GALLERY / "minilm.json": model,
    GALLERY / "realtime.json": in_time,
}
"""What writes the block of each file in a document."""
