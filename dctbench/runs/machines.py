"""The parts of a run that several machines have measured: shards that were merged, or the nodes of a cluster.

What is compared with each other was measured on one machine, but its neighbours in length may come from another one.
Each part is read as a run by itself, so no curve, crossing or table combines two machines.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from dctbench.machine.disclosure import neutral_label
from dctbench.model import Case, Result
from dctbench.runs.lookup import RecordedRun


def by_machine(found: RecordedRun) -> list[RecordedRun]:
    """Return a run in parts, one for each environment that measured a part of it; a run of one machine as it is.

    A planned case without a result belongs where the cases that it is compared with were measured, else to the first
    part. The machine of a part is named by the model of its CPU and the start of its fingerprint.
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


def machine_name(found: RecordedRun) -> str:
    """Return what the machine of a run is, as far as its speed depends on it: `AMD EPYC 7763, 4 cores, torch 2.13.0`.

    Virtual machines often hide the model, so family and model number stand beside it. The start of the fingerprint
    distinguishes machines of one type.
    """
    [fingerprint, environment] = next(iter(found.environments.items()), ("", None))
    if environment is None:
        return "a machine"
    facts = environment.facts
    gpus = [str(gpu["name"]) for gpu in facts.get("gpu") or () if isinstance(gpu, dict) and "name" in gpu]
    cores = facts.get("cores_usable")
    numbers = str(facts.get("cpu_id") or "").split()  # vendor, family, model and stepping of an x86 processor
    family = f"family {numbers[1]} model {numbers[2]}" if len(numbers) == 4 else ""
    parts = [
        *dict.fromkeys(gpus),
        str(facts["cpu"]),
        family,
        f"{cores} cores" if cores else "",
        f"torch {facts['torch']}",
    ]
    return f"{', '.join(part for part in parts if part)} ({fingerprint[:6]})"
