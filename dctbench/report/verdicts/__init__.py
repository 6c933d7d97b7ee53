"""Base against head, for everybody who reads it: a line, rows, sentences, and documents for programs."""

from __future__ import annotations

from dctbench.report.verdicts.documents import check_document, verdicts_csv
from dctbench.report.verdicts.markdown import MARKER, verdicts_markdown
from dctbench.report.verdicts.rows import Relevant, Row, opening, relevant

__all__ = ["MARKER", "Relevant", "Row", "check_document", "opening", "relevant", "verdicts_csv", "verdicts_markdown"]
