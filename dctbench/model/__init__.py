"""The nouns of dctbench, as frozen dataclasses: what is measured, the results, and the runs that they belong to.

Only the standard library is imported here, so that every package can use them.
"""

from __future__ import annotations

from dctbench.model.canonical import JSON, SCHEMA_VERSION, canonical_json, digest
from dctbench.model.case import (
    DTYPE_ALIASES,
    DTYPE_BYTES,
    ENGINES,
    MAX_RANKS,
    MODES,
    SCOPES,
    Case,
    devices_of_ranks,
    kept_coefficients,
    ratio_words,
    tidy_number,
    undivided_axis,
    why_not_divided,
)
from dctbench.model.codes import CaseWarning, Reason, ReasonCode, WarningCode
from dctbench.model.communication import Collective, Communication
from dctbench.model.conversion import Conversion
from dctbench.model.details import NO_DETAILS, Bound, CallSplit, Ceilings, ResultDetails, Roofline
from dctbench.model.result import (
    FAILED,
    HOST_IS_LABEL,
    RETRYABLE,
    STATUSES,
    Environment,
    Measurement,
    Result,
    Status,
)
from dctbench.model.run import (
    COMPARED_SETTINGS,
    NOT_SHOWN,
    Baseline,
    CacheState,
    Isolation,
    MeasuringProtocol,
    Run,
    RunSettings,
    Search,
)
from dctbench.model.schedule import Schedule
from dctbench.model.shard import Shards
from dctbench.model.spectrum import Spectrum
from dctbench.model.task import TaskFacts, TaskName
from dctbench.model.training import CurvePoint, Probe, Training, TrainingFailure
from dctbench.model.verdict import IMPROVEMENTS, REGRESSIONS, UNDECIDED, Verdict, VerdictKind

__all__ = [
    "COMPARED_SETTINGS",
    "DTYPE_ALIASES",
    "DTYPE_BYTES",
    "ENGINES",
    "FAILED",
    "HOST_IS_LABEL",
    "IMPROVEMENTS",
    "JSON",
    "MAX_RANKS",
    "MODES",
    "NOT_SHOWN",
    "NO_DETAILS",
    "REGRESSIONS",
    "RETRYABLE",
    "SCHEMA_VERSION",
    "SCOPES",
    "STATUSES",
    "UNDECIDED",
    "Baseline",
    "Bound",
    "CacheState",
    "CallSplit",
    "Case",
    "CaseWarning",
    "Ceilings",
    "Collective",
    "Communication",
    "Conversion",
    "CurvePoint",
    "Environment",
    "Isolation",
    "Measurement",
    "MeasuringProtocol",
    "Probe",
    "Reason",
    "ReasonCode",
    "Result",
    "ResultDetails",
    "Roofline",
    "Run",
    "RunSettings",
    "Schedule",
    "Search",
    "Shards",
    "Spectrum",
    "Status",
    "TaskFacts",
    "TaskName",
    "Training",
    "TrainingFailure",
    "Verdict",
    "VerdictKind",
    "WarningCode",
    "canonical_json",
    "devices_of_ranks",
    "digest",
    "kept_coefficients",
    "ratio_words",
    "tidy_number",
    "undivided_axis",
    "why_not_divided",
]
