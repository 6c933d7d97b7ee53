"""What has been measured of a case so far. If a pass fails, its metric is absent and the others are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from dctbench import catalog
from dctbench.errors import DctbenchError, UnavailableError, UnsupportedError, text_of
from dctbench.model import NO_DETAILS, CaseWarning, ResultDetails, WarningCode
from dctbench.protocol import CaseReply, Figures
from dctbench.text.warning_values import warning_record
from dctbench.worker.metrics.output import WrongOutputError


class NotFiniteError(DctbenchError):
    """A measured value is NaN or infinite."""


class Collected:
    """What has been measured of a case so far."""

    def __init__(self) -> None:
        self.measurements: list[Figures] = []
        self.warnings: list[CaseWarning] = []
        self.details = NO_DETAILS

    def add(self, metric: str, *samples: float, unit: str | None = None) -> None:
        """Add the samples of a metric.

        Raises:
            NotFiniteError: for NaN and infinity.
        """
        if not all(map(math.isfinite, samples)):
            raise NotFiniteError(f"{metric} came out as {samples[0]:g}")
        if unit is None:
            known = catalog.metric(metric)
            unit = None if known is None else known.unit
        assert unit is not None  # only the metric of a package has none, and its code returns the unit with the value
        self.measurements.append(Figures(metric, unit, list(samples)))

    @contextmanager
    def attempt(self, metric: str) -> Iterator[None]:
        """Run a pass after timing. If it fails, this metric is absent, with a warning, and the others are kept.

        If this machine cannot measure the metric at all, the details say why, and there is no warning.
        """
        try:
            yield
        except WrongOutputError:
            raise
        except (UnsupportedError, UnavailableError) as reason:
            told = f"{reason.message}; {reason.hint}" if reason.hint else reason.message
            self.details |= ResultDetails(absent={metric: told})
        except Exception as failure:
            kind = "" if isinstance(failure, DctbenchError) else f"{type(failure).__name__}: "
            problem = " ".join((kind + text_of(failure)).split())[:300]
            self.warnings.append(CaseWarning(WarningCode.NOT_MEASURED, {"metric": metric, "reason": problem}))

    def reply(self) -> CaseReply:
        """Return it as the reply of a case that was measured."""
        warnings = [warning_record(warning) for warning in self.warnings]
        return CaseReply("ok", self.measurements, warnings=warnings, details=self.details.to_json())
