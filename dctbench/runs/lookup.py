"""Find the run that a reference names: in the store, or in an exported file.

A reference is an id or a unique start of one, latest, latest~1, a label, a baseline's name, or a file, tried in this
order. Code that shows results takes a `RecordedRun` and need not know where it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dctbench import catalog
from dctbench.analysis import Summary, default_reference, summarise
from dctbench.errors import StoreError, UsageError
from dctbench.importers import read_file
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Case, Environment, Result, Run, TaskName
from dctbench.store import MissingError, open_store

if TYPE_CHECKING:
    from dctbench.store import Store


@dataclass(frozen=True)
class RecordedRun:
    """A run and its data: environments by fingerprint, results in plan order, the planned cases.

    `machine` names the machine of a part of a run that several have measured (`runs.machines`), else None.
    """

    run: Run
    environments: Mapping[str, Environment]
    results: Sequence[Result]
    plan: Sequence[Case]
    machine: str | None = None

    @property
    def title(self) -> str:
        """The label of the run, or its id if it has none, and the machine of a part."""
        name = self.run.label or f"run {self.run.short_id}"
        return name if self.machine is None else f"{name} on {self.machine}"

    @cached_property
    def summaries(self) -> list[Summary]:
        """One summary per case that has a result."""
        return summarise(self.results)

    @cached_property
    def longer(self) -> frozenset[Case]:
        """The longer trainings that the run added of methods that fell short (`RunSettings.patience`).

        They explain a verdict on the usual ones, and no other run need have them.
        """
        times = self.run.settings.patience
        return frozenset(case for case in self.plan if times is not None and _is_longer(case, times, self.plan))

    def only(self, cases: Iterable[Case]) -> RecordedRun:
        """Return the same run with some of its cases alone."""
        kept = set(cases)
        return replace(
            self,
            results=[result for result in self.results if result.case in kept],
            plan=[case for case in self.plan if case in kept],
        )

    def reference(self, name: str | None = None) -> str | None:
        """Return the reference implementation: the one named, else sdpa, else full, else None.

        Raises:
            UsageError: when the run has no result of the one named.
        """
        if name is None:
            return default_reference(result.case for result in self.results)
        return known_reference(name, (result.case for result in self.results))


def _is_longer(case: Case, times: int, plan: Sequence[Case]) -> bool:
    try:
        task = TaskName.parse(case.task or "")
    except ValueError:  # no task, or one that a newer version has named
        return False
    return task.patience == times and replace(case, task=str(replace(task, patience=1))) in plan


def forwarded(found: RecordedRun, disclosure: Disclosure) -> RecordedRun:
    """Return a run for others to read: nothing in it tells what may not be told."""
    return RecordedRun(
        disclosure.run(found.run),
        {key: disclosure.environment(environment) for key, environment in found.environments.items()},
        [disclosure.result(result) for result in found.results],
        [disclosure.case(case) for case in found.plan],
        found.machine,
    )


def disclosure(found: RecordedRun, *, anonymous: bool = False, host_label: str | None = None) -> Disclosure:
    """Return what may be told about a run; see `Disclosure.of`."""
    return Disclosure.of(
        found.run, found.environments, found.results, found.plan, anonymous=anonymous, host_label=host_label
    )


def known_reference(name: str, measured: Iterable[Case]) -> str:
    """Return `name`, checked.

    Args:
        name: of an implementation.
        measured: cases of a run.

    Raises:
        UsageError: when it is none of their implementations, with the nearest spelling, or was measured at several
            ratios or numbers kept.
    """
    compressions: dict[str, set[tuple[float, int]]] = {}
    for case in measured:
        compressions.setdefault(case.implementation, set()).add(case.compression)
    if name not in compressions:
        raise catalog.unknown("reference in this run", name, compressions)
    check_compressed_one_way(name, compressions[name])
    return name


def check_compressed_one_way(reference: str, compressions: Collection[tuple[float, int]]) -> None:
    """Refuse a reference that was measured at several ratios or numbers kept: a speed-up over it would be ambiguous.

    Raises:
        UsageError: naming the flag.
    """
    if len(compressions) > 1:
        raise UsageError(
            f"--reference {reference}: it was measured with {len(compressions)} ratios or numbers kept, and a "
            "reference has one latency per length",
            hint="name a method that does not compress, such as sdpa",
        )


def usual_reference(runs: Iterable[RecordedRun]) -> str | None:
    """Return the default reference of several runs: that of the first run that has one."""
    return next((found for run in runs if (found := run.reference()) is not None), None)


def resolve(store: str, reference: str = "latest", damage: list[str] | None = None) -> RecordedRun:
    """Return the run that `reference` names, from the store at that location or from a file.

    Args:
        store: location of the store.
        reference: of the run.
        damage: where to note damaged records of the run, which are then left out.

    Raises:
        UsageError: when it names neither, or the file is not valid.
        StoreError: when it is not a file, and the store is missing or cannot be read. A file whose name does not look
            like one is not read in place of a store that cannot be read: the store may hold what is meant.
    """
    try:
        with open_store(store) as opened:
            return recorded(opened, opened.find_run(reference).run, damage)
    except (UsageError, StoreError) as error:
        looks, exists = "/" in reference or reference.endswith(".json"), _is_file(reference)
        unknown = isinstance(error, UsageError | MissingError)
        if not (looks or exists if unknown else looks and exists):
            raise
    return from_file(reference)


def recorded(store: Store, run: Run, damage: list[str] | None = None) -> RecordedRun:
    """Return a run of an open store with all its data. `damage` is as in `resolve`."""
    # The results first: if another process goes on with the run, what they refer to is there before them.
    results = store.results(run.id, damage=damage)
    return RecordedRun(run, store.environments(run.id, damage), results, store.plan(run.id, damage)[0])


def from_file(path: str) -> RecordedRun:
    """Return the run of an exported file.

    Raises:
        UsageError: when it cannot be read or is not valid.
    """
    run, environments, results, _ = read_file(path)
    return RecordedRun(run, environments, results, list(dict.fromkeys(result.case for result in results)))


def _is_file(reference: str) -> bool:
    """Return whether there is something of that name that can be read; a folder cannot."""
    try:
        return Path(reference).exists() and not Path(reference).is_dir()
    except (OSError, ValueError):  # a name that is too long, or with a null character
        return False
