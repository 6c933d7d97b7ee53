"""The parts of a run that several machines have measured: shards that were merged, or the nodes of a cluster.

What is compared with each other was measured on one machine, but its neighbours in length may come from another one.
Each part is read as a run by itself, so no curve, crossing or table combines two machines.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from dctbench.machine.disclosure import neutral_label
from dctbench.model import Case, Environment, Result
from dctbench.runs.lookup import RecordedRun
from dctbench.text.format import listed, pluralize

_UNKNOWN = "a machine"


def by_machine(found: RecordedRun) -> list[RecordedRun]:
    """Return a run in parts, one for each environment that measured a part of it; a run of one machine as it is.

    A planned case without a result belongs where the cases that it is compared with were measured, else to the first
    part. The machine of a part is named by its GPUs, the model of its CPU and the start of its fingerprint.
    """
    results: dict[str, list[Result]] = {}
    for result in found.results:
        results.setdefault(result.fingerprint, []).append(result)
    if len(results) < 2:
        return [found]
    places: dict[Hashable, str] = {}
    for fingerprint, members in results.items():
        for result in members:
            places.setdefault(result.case.unit, fingerprint)
    first = next(iter(results))
    plans: dict[str, list[Case]] = {fingerprint: [] for fingerprint in results}
    for case in found.plan:
        plans[places.get(case.unit, first)].append(case)
    return [_part(found, fingerprint, members, plans[fingerprint]) for fingerprint, members in results.items()]


def _part(found: RecordedRun, fingerprint: str, results: Sequence[Result], plan: Sequence[Case]) -> RecordedRun:
    environment = found.environments.get(fingerprint)
    return replace(
        found,
        environments={} if environment is None else {fingerprint: environment},
        results=results,
        plan=plan,
        machine=neutral_label(environment, fingerprint),
    )


def machine_name(found: RecordedRun, digits: int = 6) -> str:
    """Return the machine that measured a run, and the start of its fingerprint to tell apart machines of one type.

    Args:
        found: with results, all of one machine. It may know others, such as nodes of a cluster that measured nothing.
        digits: how much of the fingerprint is shown.
    """
    fingerprint = found.results[0].fingerprint
    environment = found.environments.get(fingerprint)
    return f"{_UNKNOWN if environment is None else _words(environment)} ({fingerprint[:digits]})"


def machine_words(environments: Iterable[Environment]) -> str:
    """Return what machines are, as far as their speed depends on it: `NVIDIA H200, AMD EPYC, 4 cores, torch 2.13.0`.

    What is not known is left out. Machines of which the same is known are named once.
    """
    return "; ".join(dict.fromkeys(map(_words, environments))) or _UNKNOWN


def measured_on(environment: Environment, devices: Iterable[str]) -> str:
    """Return what the devices of some cases are: `NVIDIA H200`, `AMD EPYC, 4 cores`, or both."""
    kinds = {device.partition(":")[0] for device in devices}
    host = f"{environment.facts['cpu']}, {environment.facts['cores_usable']} cores"
    gpus = list(environment.gpus) if "cuda" in kinds else []
    return listed([*gpus, *([host] if kinds != {"cuda"} or not gpus else [])])


def _words(environment: Environment) -> str:
    """Return what one machine is. Virtual machines often hide the model of a CPU, so its numbers stand beside it."""
    facts = environment.facts
    cores, torch = facts.get("cores_usable"), facts.get("torch")
    numbers = str(facts.get("cpu_id") or "").split()  # vendor, family, model and stepping of an x86 processor
    parts = [
        *environment.gpus,
        str(facts["cpu"]),
        f"family {numbers[1]} model {numbers[2]}" if len(numbers) == 4 else "",
        pluralize(cores, "core") if cores else "",
        f"torch {torch}" if torch else "",
    ]
    return ", ".join(part for part in parts if part)
