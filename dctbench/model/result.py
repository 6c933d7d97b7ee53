"""The result of one case in one round, its measurements and its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from dctbench.model.canonical import JSON
from dctbench.model.case import Case
from dctbench.model.codes import CaseWarning
from dctbench.model.details import NO_DETAILS, ResultDetails

Status = Literal["ok", "oom", "timeout", "unsupported", "error", "skipped"]

STATUSES: tuple[Status, ...] = ("ok", "oom", "timeout", "unsupported", "error", "skipped")

FAILED: frozenset[Status] = frozenset({"timeout", "error"})
"""The statuses that make a run exit with 4. oom, unsupported and skipped are results, not failures."""

RETRYABLE: frozenset[Status] = FAILED | {"skipped"}
"""The statuses that `--retry-failed` may replace: failures, and the cases that were skipped because of them."""


class Measurement(NamedTuple):
    """Raw samples of one metric in its SI unit, in the order they were taken. No statistics are stored.

    It is a tuple, since a store of a hundred thousand results holds nearly a million of them, and a tuple is
    the fastest to create.
    """

    metric: str
    unit: str
    samples: tuple[float, ...]

    def to_json(self) -> JSON:
        """Return a plain dict."""
        return {"metric": self.metric, "unit": self.unit, "samples": list(self.samples)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """The inverse of `to_json`."""
        return cls(data["metric"], data["unit"], tuple(data["samples"]))


HOST_IS_LABEL = "host_is_label"
"""The fact that says that an environment's host is a label, which later exports keep."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a measurement was taken. `fingerprint` hashes the stable facts; latencies compare only within one."""

    facts: Mapping[str, Any]
    fingerprint: str

    @property
    def host(self) -> str:
        """The host name."""
        return str(self.facts.get("host", ""))

    @property
    def labelled(self) -> bool:
        """Whether it comes from an export, which has a label in place of the host name and leaves out some facts."""
        return self.facts.get(HOST_IS_LABEL) is True

    @property
    def gpus(self) -> tuple[str, ...]:
        """The kinds of GPU that it has, by name."""
        return tuple(dict.fromkeys(str(gpu["name"]) for gpu in self.facts.get("gpu") or () if "name" in gpu))


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one case in one round (one process). A case that failed has a result too, with its message.

    `details` record what ran and how: kernel, transform plan, stop reason, actual threads.
    """

    case: Case
    round: int
    status: Status
    measurements: tuple[Measurement, ...] = ()
    message: str | None = None
    warnings: tuple[CaseWarning, ...] = ()
    details: ResultDetails = NO_DETAILS
    fingerprint: str = ""
    host: str = ""

    def measurement(self, metric: str) -> Measurement | None:
        """The samples of `metric`, or None if it was not measured."""
        return next((m for m in self.measurements if m.metric == metric), None)
