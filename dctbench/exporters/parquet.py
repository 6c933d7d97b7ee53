"""A run as Parquet: the table of `dctbench.runs.table`, with typed columns."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence

from dctbench.analysis import Summary
from dctbench.errors import UnavailableError
from dctbench.model import Run
from dctbench.runs import table


def parquet(run: Run, summaries: Sequence[Summary]) -> bytes:
    """Return the whole file. Columns of few distinct words are dictionaries, times are in UTC.

    Raises:
        UnavailableError: without the extra `parquet`.
    """
    try:
        import pyarrow as arrow  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnavailableError("Parquet needs pyarrow", hint="pip install 'dctbench[parquet]'") from error
    words = arrow.dictionary(arrow.int32(), arrow.string())
    types = {"text": arrow.string(), "word": words, "instant": arrow.timestamp("us", tz="UTC"),
             "integer": arrow.int64(), "number": arrow.float64()}  # fmt: skip
    schema = arrow.schema([(name, types[kind]) for name, kind in table.COLUMNS.items()])
    rows = list(table.rows(run, summaries))
    columns = zip(*rows, strict=True) if rows else [()] * len(table.COLUMNS)
    arrays = []
    for (name, kind), values in zip(table.COLUMNS.items(), columns, strict=True):
        cells = [datetime.datetime.fromisoformat(value) for value in values] if kind == "instant" else list(values)
        arrays.append(arrow.array(cells, type=schema.field(name).type))
    out = io.BytesIO()
    pyarrow.parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), out)
    return out.getvalue()
