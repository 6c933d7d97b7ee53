"""The nouns of dctbench, as frozen dataclasses: what is measured, what came out, and which run it belongs to.

Only the standard library is imported here, so that every room, the torch-free command line included, speaks
the same words.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Literal, NamedTuple, get_args

from dctbench.model.codes import CaseWarning, Reason, ReasonCode, WarningCode
from dctbench.model.details import NO_DETAILS, Bound, CallSplit, Ceilings, ResultDetails, Roofline

__all__ = [
    "NO_DETAILS",
    "Bound",
    "CallSplit",
    "CaseWarning",
    "Ceilings",
    "Reason",
    "ReasonCode",
    "ResultDetails",
    "Roofline",
    "WarningCode",
]

Status = Literal["ok", "oom", "timeout", "unsupported", "error", "skipped"]
STATUSES: tuple[Status, ...] = ("ok", "oom", "timeout", "unsupported", "error", "skipped")
FAILED: frozenset[Status] = frozenset({"timeout", "error"})
"""The statuses that make a sweep exit 4: oom, unsupported and skipped are results, not failures."""

Isolation = Literal["auto", "zygote", "fresh"]
"""How a case gets its process: forked from one that has imported torch, fresh, or whichever suits the device."""
CacheState = Literal["warm", "cold"]
"""What the last-level cache holds when a timed call begins."""

DTYPE_ALIASES = {
    "fp32": "float32", "float": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16", "fp64": "float64",
}  # fmt: skip
DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

JSON = dict[str, Any]
SCHEMA_VERSION = 1
"""Of the own JSON document; a reader refuses a higher one."""
COMPARED_SETTINGS = ("cache", "isolation", "env")
"""The settings of a run that must be equal for its latencies to be compared with another's."""


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces, no NaN; what identities and checksums are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: object, length: int = 16) -> str:
    """The first `length` hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def kept_coefficients(seq_len: int, ratio: float) -> int:
    """How many of `seq_len` coefficients a compression ratio keeps: ceil(n / ratio - 1e-9), at least one.

    The small constant keeps a ratio such as 1024 / 341 (a float that is meant to divide) from keeping one more.
    """
    return max(1, math.ceil(seq_len / ratio - 1e-9))


def tidy_number(value: float) -> float | int:
    """8.0 -> 8: one spelling for one number, so that `--ratio 8` and `--ratio 8.0` name the same case."""
    return int(value) if float(value).is_integer() else float(value)


def ratio_words(ratio: float) -> str:
    """As it would be typed, with all its digits: two ratios of a sweep may differ in the seventh."""
    short = f"{ratio:g}"
    return short if float(short) == ratio else str(ratio)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure: a method at a shape, on a device, in a mode.

    `ratio` is n / n_kept (>= 1), or None for a method that has no such knob. `threads` is None unless asked for,
    so that FLOPs and memory compare across machines. `task` names the task of an accuracy case, else None.
    """

    implementation: str
    seq_len: int
    ratio: float | int | None = None
    batch: int = 1
    heads: int = 8
    head_dim: int = 64
    dtype: str = "float32"
    device: str = "cpu"
    scope: str = "layer"
    mode: str = "forward"
    engine: str = "eager"
    threads: int | None = None
    task: str | None = None

    @property
    def dim(self) -> int:
        """Model width: heads x head_dim."""
        return self.heads * self.head_dim

    @property
    def device_kind(self) -> str:
        """`cuda` of `cuda:0`."""
        return self.device.partition(":")[0]

    @property
    def n_kept(self) -> int | None:
        """Coefficients (positions, landmarks, features) kept, or None without a ratio."""
        return None if self.ratio is None else kept_coefficients(self.seq_len, self.ratio)

    @property
    def id(self) -> str:
        """Identity: a hash of the canonical JSON, without what is derived from it (n_kept)."""
        return digest({name: getattr(self, name) for name in self.__slots__})

    @property
    def name(self) -> str:
        """The method as a row is headed: `dct-x r=8`, `sdpa`."""
        return self.implementation if self.ratio is None else f"{self.implementation} r={ratio_words(self.ratio)}"

    @property
    def shape(self) -> tuple[object, ...]:
        """Everything but the method and its ratio: cases of equal shape may be compared with each other."""
        return (self.scope, self.seq_len, self.batch, self.heads, self.head_dim, self.dtype, self.device, self.mode,
                self.engine, self.threads, self.task)  # fmt: skip

    @property
    def setting(self) -> tuple[object, ...]:
        """The shape without its length: inside one setting a method's latency is a curve over n."""
        return (self.scope, self.batch, self.heads, self.head_dim, self.dtype, self.device, self.mode, self.engine,
                self.threads, self.task)  # fmt: skip

    @property
    def row(self) -> tuple[object, ...]:
        """The case without its length: the curve it belongs to."""
        return (self.implementation, self.ratio, self.scope, self.batch, self.heads, self.head_dim, self.dtype,
                self.device, self.mode, self.engine, self.threads, self.task)  # fmt: skip

    def to_json(self) -> JSON:
        """The case as the public document spells it, `n_kept` included."""
        keys = ("implementation", "scope", "seq_len", "ratio", "n_kept", "batch", "heads", "head_dim", "dtype",
                "device", "mode", "engine", "threads", "task")  # fmt: skip
        return {key: getattr(self, key) for key in keys}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        """The inverse of `to_json`; keys that are not of a case (n_kept, or a later version's) are left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


class Measurement(NamedTuple):
    """Raw samples of one metric in its SI unit, in the order they were taken; statistics are derived, never stored.

    A tuple, since a store of a hundred thousand results holds nearly a million of them, and a tuple is made soonest.
    """

    metric: str
    unit: str
    samples: tuple[float, ...]

    def to_json(self) -> JSON:
        """A plain dict."""
        return {"metric": self.metric, "unit": self.unit, "samples": list(self.samples)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """The inverse of `to_json`."""
        return cls(data["metric"], data["unit"], tuple(data["samples"]))


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a measurement was taken. `fingerprint` hashes the stable subset: latency compares only inside one."""

    facts: Mapping[str, Any]
    fingerprint: str

    @property
    def host(self) -> str:
        """Host name."""
        return str(self.facts.get("host", ""))


@dataclass(frozen=True, slots=True)
class Result:
    """What one case gave in one round (one process). A case that failed is a result too, with its message.

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
        """The samples of `metric`, or None where it was not measured."""
        return next((m for m in self.measurements if m.metric == metric), None)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the cases of a run are measured.

    Stored as JSON. A stored run may lack a key, or hold one that this version does not know or believe: `to_json` gives
    back what `from_json` was given.

    Attributes:
        rounds: processes per case.
        case_timeout: seconds after which a case is ended.
        env: variables set for every worker, on top of the environment of the runner.
        samples: the least samples of a case over all rounds; None for the default.
        prune: leave out longer lengths after an out-of-memory or a timeout.
        isolation: how a case gets its process.
        cache: what the last-level cache holds when a timed call begins; None for what is usual on the device.
        budget: seconds for the whole run; None for no budget.
        check: what a check wrote about this run (`compare.check_settings`); None for any other run.
        extra: keys of another version, and values that are not of the type above.
        present: the keys that are written even where they hold the default.
    """

    rounds: int = 5
    case_timeout: float = 120.0
    env: Mapping[str, str] = field(default_factory=dict)
    samples: int | None = None
    prune: bool = True
    isolation: Isolation = "auto"
    cache: CacheState | None = None
    budget: float | None = None
    check: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    present: frozenset[str] = frozenset({"rounds", "case_timeout", "env", "prune", "isolation", "cache"})

    def to_json(self) -> JSON:
        """The settings as a run stores them."""
        default = RunSettings()
        known = {name: getattr(self, name) for name in _SETTING_TYPES}
        written = {n: v for n, v in known.items() if n in self.present or v != getattr(default, n)}
        return {name: dict(v) if isinstance(v, Mapping) else v for name, v in written.items()} | dict(self.extra)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunSettings:
        """The inverse of `to_json`, for any JSON object."""
        known = {name: data[name] for name, believed in _SETTING_TYPES.items() if name in data and believed(data[name])}
        extra = {name: value for name, value in data.items() if name not in known}
        return cls(**known, extra=extra, present=frozenset(known))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SETTING_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "rounds": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "case_timeout": _is_number,
    "env": lambda value: isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values()),
    "samples": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "prune": lambda value: isinstance(value, bool),
    "isolation": lambda value: value in get_args(Isolation),
    "cache": lambda value: value is None or value in get_args(CacheState),
    "budget": lambda value: value is None or _is_number(value),
    "check": lambda value: value is None or isinstance(value, Mapping),
}
"""By setting, whether a stored value is of its type."""


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
        """Whether it is a side of a check: measured until a verdict is reached, and never gone on with."""
        return "check" in self.settings.to_json()

    @property
    def short_id(self) -> str:
        """The first eight digits, as people type it."""
        return self.id[:8]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A name for a run that others are judged against: a pointer, never a copy. `saved_at` is UTC in ISO 8601."""

    name: str
    run_id: str
    saved_at: str


class VerdictKind(Enum):
    """What a gate says of one metric of one case."""

    PASS = "PASS"
    FASTER = "FASTER"
    BETTER = "BETTER"
    NEW = "NEW"
    FIXED = "FIXED"
    SLOWER = "SLOWER"
    WORSE = "WORSE"
    OVER_BUDGET = "OVER_BUDGET"
    MISSING = "MISSING"
    NEWLY_FAILING = "NEWLY_FAILING"
    INCONCLUSIVE = "INCONCLUSIVE"
    INCOMPARABLE = "INCOMPARABLE"


REGRESSIONS = frozenset(
    {VerdictKind.SLOWER, VerdictKind.WORSE, VerdictKind.OVER_BUDGET, VerdictKind.MISSING, VerdictKind.NEWLY_FAILING}
)
"""What makes a check exit 1."""
IMPROVEMENTS = frozenset({VerdictKind.FASTER, VerdictKind.BETTER, VerdictKind.FIXED})
UNDECIDED = frozenset({VerdictKind.INCONCLUSIVE, VerdictKind.INCOMPARABLE})
"""What makes a check exit 3 when nothing makes it exit 1."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing head with base says of one metric of one case.

    `base` and `head` are in the metric's SI unit, or None on a side that has no value. `effect` is head / base. Of
    latency it is what was judged, with `low` and `high` its 95% interval: of pairs the raw change, against a stored run
    that of the ratio to the reference, beside which `raw` stands. `tolerance` is the change or the limit that it was
    held against, and `reason` is what the figures do not show. `budget` names the limit that was held against the
    value where it is one of `analysis.Budgets`.
    """

    case: Case
    metric: str
    kind: VerdictKind
    base: float | None = None
    head: float | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    raw: float | None = None
    tolerance: float | None = None
    reason: Reason | None = None
    budget: str | None = None
