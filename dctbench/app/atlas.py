"""Put the crossings of many machines side by side: from a folder of exported files, or from a store that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dctbench import analysis
from dctbench.analysis import Speedup
from dctbench.analysis.atlas import Sheet, atlas
from dctbench.analysis.crossover import beside_reference
from dctbench.errors import UsageError
from dctbench.model import Case
from dctbench.runs.gallery import is_result_file, problems
from dctbench.runs.lookup import (
    RecordedRun,
    check_compressed_one_way,
    disclosure,
    forwarded,
    from_file,
    recorded,
)
from dctbench.runs.machines import by_machine, machine_name
from dctbench.scheduler.events import Listener, Notice, ignore
from dctbench.spec.axes import check_given
from dctbench.spec.suites import NOISE
from dctbench.store import is_url, open_store

_EXPORT = "dctbench export json --anonymous -o FOLDER/machine.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtlasRequest:
    """Ask from which length each method pays, on each machine.

    Attributes:
        sources: folders of exported files, exported files, and stores by path or URL.
        reference: the method that the others are compared with.

    Raises:
        UsageError: for an empty reference.
    """

    sources: Sequence[str]
    reference: str = analysis.REFERENCE

    def __post_init__(self) -> None:
        check_given("--reference", self.reference)


@dataclass(frozen=True, slots=True)
class Atlas:
    """The answer: a sheet for each shape, and the runs that they show, by the name of the machine.

    Each run holds only the cases that are shown of it.
    """

    reference: str
    sheets: Sequence[Sheet]
    runs: Mapping[str, Sequence[RecordedRun]]


def make_atlas(request: AtlasRequest, listener: Listener = ignore) -> Atlas:
    """Read all sources and compare the methods on each machine.

    Of the runs of one machine, the latest one that compares a method at a length counts there, by its start: a file has
    no other order, and a run that is imported late is no later one. So a run of one length leaves the others as they
    are. A method is always compared with the reference of the same run.

    Raises:
        UsageError: when a source cannot be read, none has anything to compare, or the reference was measured at several
            ratios or numbers kept.
        StoreError: when a store cannot be read.
    """
    latest: dict[str, dict[Case, tuple[RecordedRun, Speedup]]] = {}
    compressions: set[tuple[float, int]] = set()
    for whole in _runs(request.sources, listener):
        timed = (case for case in whole.plan if case.task is None and case.implementation == request.reference)
        compressions |= {case.compression for case in timed}
        check_compressed_one_way(request.reference, compressions)
        for part in by_machine(whole):
            fingerprint = part.results[0].fingerprint
            if not fingerprint:  # two such runs may be of two machines
                listener(Notice(f"warning: left out: run {part.run.short_id} has results that name no environment"))
                continue
            for case, speedup in beside_reference(part.summaries, request.reference).items():
                if speedup is None:
                    continue
                here = latest.setdefault(fingerprint, {})
                if case not in here or here[case][0].run.started_at < part.run.started_at:
                    here[case] = (part, speedup)
    if not latest:
        raise UsageError(
            f"{' and '.join(request.sources)}: no method was measured together with {request.reference}",
            hint="export a run of several lengths: " + _EXPORT,
        )
    machines: dict[str, dict[Case, Speedup]] = {}
    runs: dict[str, list[RecordedRun]] = {}
    names = _names({fingerprint: next(iter(here.values()))[0] for fingerprint, here in latest.items()})
    for fingerprint, here in latest.items():
        parts = {id(part): part for part, _ in here.values()}  # shards of one sweep have one id
        name = names[fingerprint]
        machines[name] = {case: speedup for case, (_, speedup) in here.items()}
        runs[name] = [part.only(case for case, (p, _) in here.items() if p is part) for part in parts.values()]
    return Atlas(request.reference, atlas(machines), runs)


def _names(machines: Mapping[str, RecordedRun]) -> dict[str, str]:
    """Return the name of each machine by its fingerprint. No two have the same: each is a row of its own."""
    names = {fingerprint: machine_name(part) for fingerprint, part in machines.items()}
    often = Counter(names.values())
    return {
        fingerprint: name if often[name] == 1 else machine_name(machines[fingerprint], len(fingerprint))
        for fingerprint, name in names.items()
    }


def gallery_problems(sources: Sequence[str]) -> dict[str, list[str]]:
    """Return what keeps each file of the sources out of a gallery; files without problems are left out.

    Raises:
        UsageError: when a source is neither a folder nor a file, and when there is no file.
    """
    files = list(_files(sources))
    if not files:
        raise UsageError(f"{' and '.join(sources)}: no exported file", hint="export one: " + _EXPORT)
    return {str(path): found for path in files if (found := problems(path))}


def _files(sources: Iterable[str]) -> Iterator[Path]:
    for source in sources:
        path = Path(source)
        try:
            is_folder, is_file = path.is_dir(), path.is_file()
        except OSError as error:  # a name that is too long, or a folder above it that may not be entered
            raise UsageError(
                f"{source} cannot be read: {error.strerror}", hint="name a folder of exported files"
            ) from None
        if is_folder:
            yield from (one for one in sorted(path.glob("**/*.json")) if is_result_file(one))
        elif is_file:
            yield path
        else:
            raise UsageError(f"{source}: no such file or folder", hint="name a folder of exported files")


def _runs(sources: Iterable[str], listener: Listener) -> Iterator[RecordedRun]:
    for source in sources:
        if is_url(source) or source.endswith((".sqlite", ".db")):
            with open_store(source) as store:
                damage: list[str] = []
                for state in store.runs(damage):
                    if state.stored and not state.run.is_check and state.run.suite != NOISE:
                        found = recorded(store, state.run, damage)
                        yield forwarded(found, disclosure(found))
                for text in damage:
                    listener(Notice(f"warning: left out: {text}"))
            continue
        for path in _files([source]):
            yield from_file(str(path))
