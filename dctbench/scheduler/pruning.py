"""What has failed so far, and which cases therefore need not run."""

from __future__ import annotations

from dctbench.model import Case, Environment, Result

_Curve = tuple[tuple[object, ...], str]
"""A row and the fingerprint of the machine that measured it: what does not fit on one machine may fit on another."""


class History:
    """The failures of a run.

    Args:
        prune: after an out-of-memory or a timeout, leave out the longer lengths of the same row.
    """

    def __init__(self, prune: bool) -> None:
        self.prune = prune
        self.failed: dict[Case, Result] = {}
        self.unusable: dict[str, Result] = {}
        self.too_long: dict[_Curve, list[Result]] = {}
        self.longest: dict[_Curve, int] = {}

    def note(self, result: Result) -> None:
        """Remember how a result failed, or that its length fits."""
        curve, seq_len = (result.case.row, result.fingerprint), result.case.seq_len
        if result.status == "ok":
            self.longest[curve] = max(seq_len, self.longest.get(curve, 0))
        elif result.details.device_unusable:
            self.unusable.setdefault(result.case.device, result)
        elif result.status != "skipped":
            if result.case.task is None or result.status != "error":  # another seed may not crash
                self.failed.setdefault(result.case, result)
            if result.status in ("oom", "timeout"):
                self.too_long.setdefault(curve, []).append(result)

    def skipped(self, case: Case, round: int, here: Environment) -> Result | None:
        """The result of a case that need not run: its device is unusable, it failed, or a shorter one did not fit here.

        Args:
            case, round: the case.
            here: where it would run.
        """
        unusable = self.unusable.get(case.device)
        if unusable is not None:
            return _skipped(case, round, unusable, unusable.message or "torch cannot use its device")
        failed = self.failed.get(case)
        if failed is not None:
            return _skipped(case, round, failed, f"{failed.status} already in round {failed.round}")
        limit = self._limit((case.row, here.fingerprint))
        if self.prune and limit is not None and case.seq_len > limit.case.seq_len:
            return _skipped(case, round, limit, f"{limit.status} already at n = {limit.case.seq_len} ({limit.message})")
        return None

    def _limit(self, curve: _Curve) -> Result | None:
        """The shortest case that did not fit. If a longer one ran, a shorter one's failure is no limit."""
        beyond = (one for one in self.too_long.get(curve, ()) if one.case.seq_len > self.longest.get(curve, 0))
        return min(beyond, key=lambda one: one.case.seq_len, default=None)


def _skipped(case: Case, round: int, cause: Result, message: str) -> Result:
    return Result(
        case=case, round=round, status="skipped", message=message, fingerprint=cause.fingerprint, host=cause.host
    )
