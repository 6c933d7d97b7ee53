"""What has failed so far, and which cases therefore need not run."""

from __future__ import annotations

from dctbench.model import Case, Result


class History:
    """The failures of a run.

    Args:
        prune: after an out-of-memory or a timeout, leave out the longer lengths of the same row.
    """

    def __init__(self, prune: bool) -> None:
        self.prune = prune
        self.failed: dict[Case, Result] = {}
        self.unusable: dict[str, Result] = {}
        self.too_long: dict[tuple[object, ...], list[Result]] = {}
        self.longest: dict[tuple[object, ...], int] = {}

    def note(self, result: Result) -> None:
        """Remember how a result failed, or that its length fits."""
        row, seq_len = result.case.row, result.case.seq_len
        if result.status == "ok":
            self.longest[row] = max(seq_len, self.longest.get(row, 0))
        elif result.details.device_unusable:
            self.unusable.setdefault(result.case.device, result)
        elif result.status != "skipped":
            if result.case.task is None or result.status != "error":  # another seed may not crash
                self.failed.setdefault(result.case, result)
            if result.status in ("oom", "timeout"):
                self.too_long.setdefault(row, []).append(result)

    def skipped(self, case: Case, round: int) -> Result | None:
        """The result of a case that need not run: its device is unusable, it failed, or a shorter one did not fit."""
        unusable = self.unusable.get(case.device)
        if unusable is not None:
            return _skipped(case, round, unusable, unusable.message or "torch cannot use its device")
        failed = self.failed.get(case)
        if failed is not None:
            return _skipped(case, round, failed, f"{failed.status} already in round {failed.round}")
        limit = self.limit(case.row)
        if self.prune and limit is not None and case.seq_len > limit.case.seq_len:
            return _skipped(case, round, limit, f"{limit.status} already at n = {limit.case.seq_len} ({limit.message})")
        return None

    def limit(self, row: tuple[object, ...]) -> Result | None:
        """The shortest case of a row that did not fit. If a longer one ran, a shorter one's failure is no limit."""
        beyond = (one for one in self.too_long.get(row, ()) if one.case.seq_len > self.longest.get(row, 0))
        return min(beyond, key=lambda one: one.case.seq_len, default=None)


def _skipped(case: Case, round: int, cause: Result, message: str) -> Result:
    return Result(
        case=case, round=round, status="skipped", message=message, fingerprint=cause.fingerprint, host=cause.host
    )
