"""The tasks that models are trained on, by name, without importing any of them.

A new task is one module in `dctbench/tasks/` and one entry in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dctbench import catalog
from dctbench.errors import AbsentError, UsageError
from dctbench.model import TaskFacts, TaskName


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its code (`target`, module:Class), the question that it asks, and what is known without its code.

    Attributes:
        name: the base of a `TaskName`.
        target: `module:Class`.
        summary: the question that it asks, in one line.
        source: where its data or its rules come from.
        facts: None for a task of the user's own, or of a package: only its class knows them.
        variants: those that only this task has.
        extra: the extra of dctbench that it needs, or None.
        device: the only kind of device that trains it in time, or None for any.
    """

    name: str
    target: str
    summary: str
    source: str
    facts: TaskFacts | None
    variants: tuple[str, ...] = ()
    extra: str | None = None
    device: str | None = None

    def load(self) -> Any:
        """Import and return the class of the task. Imports torch.

        Raises:
            UsageError: for a user's own target that cannot be imported.
        """
        return catalog.load_target(self.target)


_TASKS = "dctbench.tasks"

TASKS: Mapping[str, Task] = {
    entry.name: entry
    for entry in (
        Task(
            "acuity", f"{_TASKS}.acuity:Acuity", "which width of detail does it resolve? Read symbols back in reverse",
            "dctbench",
            TaskFacts(seq_len=64, batch=32, steps=400, classes=8, floor=1 / 8, vocabulary=8, test_examples=640,
                      slices=("h1", "h2", "h4", "h8", "h16")),
            variants=("shift",),
        ),
        Task(
            "recall", f"{_TASKS}.recall:Recall", "does it find a value by its key, wherever that stands?",
            "dctbench",
            TaskFacts(seq_len=64, batch=32, steps=1000, classes=32, floor=1 / 32, chance=1 / 16, vocabulary=66),
        ),
        Task(
            "mnist1d", f"{_TASKS}.mnist1d:Mnist1d", "does it classify smooth series?",
            "Greydanus and Kobak 2020",
            TaskFacts(seq_len=40, batch=50, steps=1000, classes=10, floor=1 / 10, per_position=False,
                      train_examples=4000, test_examples=1000, smooth=True),
        ),
        Task(
            "masked-photo", f"{_TASKS}.masked_photo:MaskedPhoto", "does it fill in hidden pixels of scan lines?",
            "scikit-learn's two photographs",
            TaskFacts(seq_len=64, batch=32, steps=300, classes=32, floor=0.17, vocabulary=33, smooth=True),
            extra="tasks",
        ),
        Task(
            "masked-bytes", f"{_TASKS}.masked_bytes:MaskedBytes", "does it fill in hidden bytes of source text?",
            "Python's standard library",
            TaskFacts(seq_len=256, batch=32, steps=4000, classes=256, floor=0.29, vocabulary=257, test_examples=256),
        ),
        Task(
            "mqar", f"{_TASKS}.mqar:Mqar", "does it recall pairs that it must first put together?",
            "Arora et al. 2023",
            TaskFacts(seq_len=64, batch=64, steps=10_000, classes=64, floor=1 / 64, chance=1 / 8, vocabulary=128),
        ),
        Task(
            "listops", f"{_TASKS}.listops:ListOps", "does it evaluate nested expressions?",
            "Tay et al. 2021",
            TaskFacts(seq_len=512, batch=32, steps=5000, classes=10, floor=0.155, vocabulary=17, per_position=False),
        ),
        Task(
            "pathfinder", f"{_TASKS}.pathfinder:Pathfinder", "does it see whether a dashed path joins two circles?",
            "after Linsley et al. 2018",
            TaskFacts(seq_len=1024, batch=64, steps=30_000, classes=2, floor=1 / 2, per_position=False),
            device="cuda",
        ),
    )
}  # fmt: skip


def stated(name: str) -> TaskFacts:
    """Return the facts of one of dctbench's own tasks, for its class."""
    facts = TASKS[name].facts
    assert facts is not None
    return facts


def tasks() -> Mapping[str, Task]:
    """Return all tasks: the table above, and those that installed packages add by entry points `dctbench.tasks`.

    Raises:
        UsageError: when two of them have the same name; the message names both.
    """
    found = dict(TASKS)
    for name, target, package in catalog.added("tasks", {entry.name: entry.target for entry in found.values()}):
        found[name] = Task(name, target, f"from {package}", package, None)
    return found


def task(base: str) -> Task:
    """Return the task of that name; `package.module:Class` names a task of the user's own.

    Raises:
        AbsentError: when there is none; the message has the nearest name.
    """
    if ":" in base:
        return Task(base, base, "your own", "--task", None)
    known = TASKS if base in TASKS else tasks()
    if base not in known:
        problem = catalog.unknown("task", base, known)
        raise AbsentError(problem.message, hint=problem.hint)
    return known[base]


def select_tasks(words: list[str]) -> list[str]:
    """Return the tasks that words and globs select, in canonical spelling, each once, in the order given.

    A glob selects those that any device trains in time; the others have to be named, or be all that it matches.

    Raises:
        UsageError: for an unknown task or variant, and for a glob that matches nothing.
    """
    chosen: dict[str, None] = {}
    for word in words:
        base, slash, variants = word.partition("/")
        for each in _matching(base) if any(c in base for c in "*?[") else [base]:
            chosen[str(_checked(each + slash + variants))] = None
    return list(chosen)


def _matching(glob: str) -> list[str]:
    known = tasks()
    found = catalog.select("task", [glob], known)
    return [base for base in found if known[base].device is None] or found


def _checked(text: str) -> TaskName:
    try:
        name = TaskName.parse(text)
    except ValueError as problem:
        raise UsageError(f"task {text!r}: {problem}", hint=_ACCEPTED) from None
    entry = task(name.base)
    for variant in name.variants:
        if entry.facts is not None and variant not in entry.variants:
            raise UsageError(
                f"task {name.base!r} has no variant {variant!r}",
                hint=f"known: {', '.join([*entry.variants, 'scrambled', '4x'])}",
            )
    return name


_ACCEPTED = "such as mnist1d, mnist1d/scrambled, recall/4x (four times the steps) or package.module:Class"
