"""A run: one sweep with its settings, and the baselines that point to runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from dctbench.model.canonical import JSON
from dctbench.model.checks import is_number, is_whole
from dctbench.model.shard import Shards
from dctbench.model.task import MOST_PATIENCE

Isolation = Literal["auto", "zygote", "fresh"]
"""How a case gets its process: forked from one that has imported torch, fresh, or whichever suits the device."""

CacheState = Literal["warm", "cold"]
"""What the last-level cache holds when a timed call begins."""

Search = Literal["rate"]
"""What is searched for beside a schedule."""

MeasuringProtocol = Literal["authors"]
"""How a figure is taken beside ours: as the authors of DCT-Former take theirs (`worker.authors`)."""

COMPARED_SETTINGS = ("cache", "isolation", "env", "priority")
"""The settings of a run that must be equal for its latencies to be compared with another's."""


NOT_SHOWN = "(not shown)"
"""What stands for the value of a variable that is not exported."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the cases of a run are measured.

    Stored as JSON. A stored run may lack a key, or hold one that this version does not know or accept. `to_json`
    returns what `from_json` was given.

    Attributes:
        rounds: processes per case.
        short_rounds: the same for short calls (up to 20 GFLOP) and for the reference beside them; None for `rounds`.
        case_timeout: seconds after which no further call of a case begins, and after which one that takes longer ends.
        env: variables set for every worker, on top of the environment of the runner.
        samples: the least samples of a case over all rounds; None for the default.
        prune: leave out longer lengths after an out-of-memory or a timeout.
        isolation: how a case gets its process.
        cache: what the last-level cache holds when a timed call begins; None for the default of the device.
        energy: whether the energy of a call is measured, where the device has a meter.
        budget: seconds for the whole run; None for no budget.
        priority: whether calls released on a schedule run before all other programs, where the system allows it.
        search: what is searched for beside the schedule of a case: `rate`, the highest that is sustained; or None.
        protocol: by which protocol latency and memory are also measured; None for ours alone.
        jobs: trainings at a time on the processor; None for as many as there are cores, and as memory allows.
        margin: a loss of accuracy that does not matter, 0.02 for two points; None for the default.
        patience: how many times the usual steps a training has, one seed of each method that falls short of exact
            attention, and of that; None for no such trainings.
        check: what a check wrote about this run (`compare.check_settings`); None for any other run.
        anonymous: whether the run was imported from a file that leaves out its host, user, paths and command.
        shard: which shards of a sweep the run holds, as `3/16`; None for a whole sweep, once they are merged, too.
        extra: unknown keys, and values that do not have the type above.
        present: the keys that are written even where they hold the default.
    """

    rounds: int = 5
    case_timeout: float = 120.0
    env: Mapping[str, str] = field(default_factory=dict)
    samples: int | None = None
    prune: bool = True
    isolation: Isolation = "auto"
    cache: CacheState | None = None
    energy: bool = True
    budget: float | None = None
    priority: bool = False
    search: Search | None = None
    protocol: MeasuringProtocol | None = None
    short_rounds: int | None = None
    jobs: int | None = None
    margin: float | None = None
    patience: int | None = None
    check: Mapping[str, Any] | None = None
    anonymous: bool = False
    shard: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    present: frozenset[str] = frozenset({"rounds", "case_timeout", "env", "prune", "isolation", "cache"})

    def to_json(self) -> JSON:
        """Return the settings as a run stores them."""
        default = RunSettings()
        known = {name: getattr(self, name) for name in _SETTING_TYPES}
        written = {n: v for n, v in known.items() if n in self.present or v != getattr(default, n)}
        return {name: dict(v) if isinstance(v, Mapping) else v for name, v in written.items()} | dict(self.extra)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunSettings:
        """The inverse of `to_json`, for any JSON object."""
        known = {name: data[name] for name, valid in _SETTING_TYPES.items() if name in data and valid(data[name])}
        extra = {name: value for name, value in data.items() if name not in known}
        return cls(**known, extra=extra, present=frozenset(known))


_SETTING_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "rounds": is_whole,
    "case_timeout": is_number,
    "env": lambda value: isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values()),
    "short_rounds": is_whole,
    "samples": is_whole,
    "prune": lambda value: isinstance(value, bool),
    "isolation": lambda value: value in get_args(Isolation),
    "cache": lambda value: value is None or value in get_args(CacheState),
    "energy": lambda value: isinstance(value, bool),
    "budget": lambda value: value is None or is_number(value),
    "priority": lambda value: isinstance(value, bool),
    "search": lambda value: value is None or value in get_args(Search),
    "protocol": lambda value: value is None or value in get_args(MeasuringProtocol),
    "jobs": lambda value: is_whole(value) and value >= 1,
    "patience": lambda value: type(value) is int and 2 <= value <= MOST_PATIENCE,
    "margin": lambda value: is_number(value) and 0 < value < 1,
    "check": lambda value: value is None or isinstance(value, Mapping),
    "anonymous": lambda value: isinstance(value, bool),
    "shard": lambda value: value is None or str(Shards.read(value)) == value,
}
"""For each setting, a function that returns whether a stored value has its type."""


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep: its plan is stored before its first case, so that any run can be resumed.

    `started_at` is UTC in ISO 8601. `argv` is the command that measured it, without passwords.
    """

    id: str
    label: str | None
    suite: str
    argv: tuple[str, ...]
    started_at: str
    dctbench_version: str
    settings: RunSettings = field(default_factory=RunSettings)

    @property
    def compared_settings(self) -> dict[str, Any]:
        """The settings that must be equal for latencies to be compared; one that is absent or empty is None."""
        settings = self.settings.to_json()
        return {name: settings.get(name) or None for name in COMPARED_SETTINGS}

    @property
    def is_check(self) -> bool:
        """Whether it is a side of a check, which is measured until a verdict is reached and cannot be resumed."""
        return "check" in self.settings.to_json()

    @property
    def short_id(self) -> str:
        """The first eight digits of the id, for output."""
        return self.id[:8]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A name for a run that others are judged against: a pointer, never a copy. `saved_at` is UTC in ISO 8601."""

    name: str
    run_id: str
    saved_at: str
