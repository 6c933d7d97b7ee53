"""Rows that someone else wrote, with a seal that fits: what no version of dctbench writes counts as damage."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dctbench.model import Case, Measurement
from dctbench.store import DamagedError, Store, open_store
from dctbench.store.checking import find_damage
from dctbench.store.merging import merge
from dctbench.store.pruning import removable
from dctbench.store.records import SEALED, seal
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result

ESCAPE = "\x1b[2J\x9b1m\x7f"
LATENCY = '[["latency","s",1]]'


def rewrite(path: Path, table: str, **values: object) -> None:
    """Change columns of every row of a table and seal the rows again, as whoever makes a file can do."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        for row in connection.execute(f"SELECT rowid AS place, * FROM {table}").fetchall():
            changed = {**dict(row), **values}
            given = {**values, "sha256": seal(changed, SEALED[table])}
            columns = ", ".join(f"{name} = ?" for name in given)
            connection.execute(f"UPDATE {table} SET {columns} WHERE rowid = ?", (*given.values(), row["place"]))
        connection.commit()


def record(**changed: object) -> str:
    usual: dict[str, object] = {
        "message": None,
        "warnings": [],
        "details": {},
        "fingerprint": ENVIRONMENT.fingerprint,
        "host": "here",
    }
    return json.dumps({**usual, **changed})


def case(**changed: object) -> str:
    return json.dumps({**result().case.to_json(), **changed})


def facts(**changed: object) -> str:
    return json.dumps({**ENVIRONMENT.facts, **changed})


RATES = CALIBRATION.cost_models["float32"]


def calibration(**changed: object) -> str:
    return json.dumps({**CALIBRATION.to_json(), **changed})


def with_rates(**rates: float) -> str:
    return calibration(cost_models={"float32": rates})


def samples(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


IMPOSSIBLE = [
    ("response", "s", 1.0, 0.0), ("response", "s", 1.0, -3.0), ("train.seconds", "s", 1.0, -1e30),
    ("kernel_time", "s", 0.0, -1e-9), ("accuracy", "1", 1.0, 1.01), ("accuracy.h4", "1", 0.0, -0.01),
    ("miss_rate", "1", 0.5, 1.5), ("memory.tensor", "B", 0.0, -1.0), ("flops", "FLOP", 1.0, 0.0),
    ("energy", "J", 0.0, -1e-3), ("error.noise", "1", 0.0, -1e-9), ("loss", "nat", 0.0, -0.1),
    ("recovered.recover.seconds", "s", 1.0, 0.0),
]  # fmt: skip
"""Figures that no measurement can have, each beside one that some measurement has."""
BESIDE = list({metric: (metric, unit, good) for metric, unit, good, _ in IMPOSSIBLE}.values())
ROWS: list[tuple[str, Mapping[str, Any]]] = [
    ("results", {"status": "excellent"}),
    ("results", {"status": b"ok"}),
    ("results", {"round": 0}),
    ("results", {"round": -3}),
    ("results", {"round": 1.5}),
    ("results", {"round": "first"}),
    *(("results", {"metrics": LATENCY, "samples": samples(value)})
      for value in (-1.0, 0.0, float("nan"), float("inf"), 1e-11, 1e7)),
    *(("results", {"metrics": '[["setup","s",1]]', "samples": samples(value)})
      for value in (float("nan"), float("-inf"), 1e31, -1.0, 0.0, 1e7)),
    *(("results", {"metrics": json.dumps([["latency", "s", 1], [metric, unit, 2]]), "samples": samples(1.0, good, bad)})
      for metric, unit, good, bad in IMPOSSIBLE),
    ("results", {"metrics": LATENCY, "samples": samples(1.0, 1.0)}),
    ("results", {"metrics": LATENCY, "samples": b"\0" * 7}),
    ("results", {"metrics": LATENCY, "samples": "text"}),
    ("results", {"metrics": '[["latency","s",0]]', "samples": b""}),
    ("results", {"metrics": '[["latency","s",-1]]', "samples": b""}),
    ("results", {"metrics": '[["latency","s",1],["latency","s",1]]', "samples": samples(1.0, 1.0)}),
    ("results", {"metrics": '[["latency","m",1]]', "samples": samples(1.0)}),
    ("results", {"metrics": json.dumps([[ESCAPE, "s", 1]]), "samples": samples(1.0)}),
    ("results", {"metrics": json.dumps([["a", ESCAPE, 1]]), "samples": samples(1.0)}),
    ("results", {"metrics": json.dumps([[f"m{n}", "s", 1] for n in range(101)]), "samples": samples(*[1.0] * 101)}),
    ("results", {"metrics": "{}"}),
    ("results", {"metrics": b"[]"}),
    ("results", {"record": "[]"}),
    ("results", {"record": "{"}),
    ("results", {"record": record(host=None)}),
    ("results", {"record": record(host="h" * 300)}),
    ("results", {"record": record(fingerprint="a b")}),
    ("results", {"record": record(warnings=[{"code": "spread", "values": {}}])}),
    ("results", {"record": record(warnings=[{"values": {}}])}),
    ("results", {"record": record(details={"threads": 10**4000})}),
    ("results", {"record": record(details={"estimated_bytes": 1e300})}),
    ("results", {"record": record(details={"split": {"shares": {"a": 10**100}}})}),
    ("results", {"record": record(details={"x": float("nan")})}),
    ("results", {"record": record(message="\ud800", details={"x": float("nan")})}),
    ("results", {"record": record(details={"x": [[[[[[[1]]]]]]]})}),
    ("results", {"record": '{"details":' + "[" * 100_000}),
    ("results", {"record": record(details={"x": list(range(20_000))})}),
    ("cases", {"record": case(implementation=f"sdpa{ESCAPE}")}),
    ("cases", {"record": case(seq_len=-1)}),
    ("cases", {"record": case(seq_len="512")}),
    ("cases", {"record": case(ratio=0.5)}),
    ("cases", {"record": case(ratio=float("nan"))}),
    ("cases", {"record": case(ratio=2, kept=4)}),
    ("cases", {"record": case(dtype="float7")}),
    ("cases", {"record": case(scope="universe")}),
    ("cases", {"record": case(engine=None)}),
    ("cases", {"record": case(heads=2)}),  # another case than its id says
    ("cases", {"rounds": -1}),
    ("cases", {"rounds": "many"}),
    ("cases", {"position": "first"}),
    ("runs", {"started_at": "yesterday"}),
    ("runs", {"started_at": "2026-13-45T99:99:99.000000+00:00"}),
    ("runs", {"suite": f"quick{ESCAPE}"}),
    ("runs", {"suite": b"quick"}),
    ("runs", {"argv": "{}"}),
    ("runs", {"argv": "[1]"}),
    ("runs", {"settings": "[]"}),
    ("runs", {"settings": '{"case_timeout": NaN}'}),
    ("runs", {"settings": '{"rounds": 1' + "0" * 40 + "}"}),
    ("runs", {"dctbench_version": "9" * 41}),
    ("environments", {"facts": "[]"}),
    ("environments", {"facts": "{}"}),
    ("environments", {"facts": facts(gpu=3)}),
    ("environments", {"facts": facts(cores_usable=-2)}),
    ("environments", {"fingerprint": "a b"}),
    ("environments", {"host": "a\0b"}),
    ("runs", {"label": "a\0b"}),
    ("runs", {"dctbench_version": "1\0"}),
    ("calibrations", {"record": "{}"}),
    ("calibrations", {"record": '{"device": "cpu", "nonsense": 1}'}),
    ("calibrations", {"device": "cuda:0"}),
    ("calibrations", {"record": calibration(gemm={})}),
    ("calibrations", {"record": with_rates()}),
    ("calibrations", {"record": with_rates(**RATES, nonsense=1.0)}),
    *(("calibrations", {"record": with_rates(**{key: RATES[key] for key in RATES if key != name})}) for name in RATES),
    ("baselines", {"name": f"main{ESCAPE}"}),
    ("baselines", {"saved_at": "0"}),
    ("baselines", {"saved_at": "2026-02-31T00:00:00.000000+00:00"}),
]  # fmt: skip


def read_everything(store: Store) -> None:
    store.runs()
    store.plan(RUN.id)
    store.results(RUN.id)
    store.environments(RUN.id)
    store.calibrations("here")
    store.baselines()


@pytest.mark.parametrize(("table", "values"), ROWS)
def test_a_row_beyond_the_limits_of_a_result_file_is_damaged(
    store_path: Path, table: str, values: Mapping[str, Any]
) -> None:
    rewrite(store_path, table, **values)
    with open_store(str(store_path)) as store:
        with pytest.raises(DamagedError, match="is not valid") as refused:
            read_everything(store)
        assert len(refused.value.message) < 500
        [found] = find_damage(store)
        assert found == refused.value.message
        with open_store(str(store_path.with_name("copy.sqlite")), create=True) as into:
            assert merge([store], into, baselines=True).damaged
            assert find_damage(into) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [*(("device", one) for one in ("toaster", "c*", "cuda:x", "cuda:", "cuda:-1", "cuda:12345")), ("dtype", "float7")],
)
def test_a_case_of_what_has_no_name_is_damaged_also_under_its_own_id(store_path: Path, field: str, value: str) -> None:
    odd = Case.from_json({**result().case.to_json(), field: value})
    with open_store(str(store_path)) as store:
        store.add_run(replace(RUN, id="f" * 16), [odd], rounds=1)
        with pytest.raises(DamagedError, match=rf"is not valid: record\.{field}: "):
            store.plan("f" * 16)


@pytest.mark.parametrize(
    ("table", "values", "ending"),
    [
        ("baselines", {"name": f"main{ESCAPE}"}, ": name: the name 'main[2J1m' holds control characters"),
        (
            "runs",
            {"started_at": "2026-13-01T00:00:00"},
            ": started_at: '2026-13-01T00:00:00' is not a time in ISO 8601",
        ),
    ],
)
def test_damage_names_the_field(store_path: Path, table: str, values: Mapping[str, Any], ending: str) -> None:
    rewrite(store_path, table, **values)
    with open_store(str(store_path)) as store:
        [found] = find_damage(store)
    assert found.endswith(ending)


def test_the_same_rows_unchanged_are_intact(store_path: Path) -> None:
    for table in SEALED:
        rewrite(store_path, table)
    with open_store(str(store_path)) as store:
        read_everything(store)
        assert find_damage(store) == []


def test_free_texts_are_read_without_control_characters(store_path: Path) -> None:
    rewrite(
        store_path, "runs", label=f"before{ESCAPE}", argv=json.dumps(["run", ESCAPE]), dctbench_version=f"1{ESCAPE}"
    )
    rewrite(
        store_path,
        "results",
        record=record(message=f"a{ESCAPE}", warnings=[f"b{ESCAPE}"], host=f"c{ESCAPE}", details={"plan": f"d{ESCAPE}"}),
    )
    rewrite(store_path, "environments", facts=facts(cpu=f"e{ESCAPE}"))
    with open_store(str(store_path)) as store:
        [state] = store.runs()
        [found] = store.results(RUN.id)
        [environment] = store.environments(RUN.id).values()
        assert find_damage(store) == []
    told = [state.run.label, state.run.argv, state.run.dctbench_version, found.message, found.host, found.warnings[0],
            found.details.plan, environment.facts["cpu"]]  # fmt: skip
    assert all(text in repr(told) for text in ("before", "'a", "'b", "'c", "'d", "'e"))
    assert not any(unwanted in repr(told) for unwanted in ("\\x1b", "\\x9b", "\\x7f"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00.000000+00:00"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000+00:00"),
        ("2026-01-01T00:00:00.5+14:00", "2025-12-31T10:00:00.500000+00:00"),
    ],
)
def test_times_are_read_in_utc_whatever_zone_a_row_has(store_path: Path, written: str, read: str) -> None:
    rewrite(store_path, "runs", started_at=written)
    rewrite(store_path, "baselines", saved_at=written)
    with open_store(str(store_path)) as store:
        [state] = store.runs()
        [baseline] = store.baselines()
        assert (state.run.started_at, baseline.saved_at) == (read, read)
        assert removable([state], keep=None, older_than=1.0, unfinished=True) == [state]


def test_times_in_other_zones_are_compared_as_times_when_stores_are_merged(store_path: Path, tmp_path: Path) -> None:
    early, late = "2026-01-01T11:00:00+05:00", "2026-01-01T10:00:00.000000+00:00"  # as text, the early one is later
    sources = []
    for number, time in enumerate((late, early)):
        sources.append(tmp_path / f"{number}.sqlite")
        shutil.copy(store_path, sources[-1])
        rewrite(sources[-1], "runs", started_at=time, argv=json.dumps([time]))
        rewrite(sources[-1], "baselines", saved_at=time)
    with open_store(str(tmp_path / "target.sqlite"), create=True) as target:
        merge([open_store(str(source)) for source in sources], target, baselines=True)
        [state] = target.runs()
        [baseline] = target.baselines()
        assert state.run.started_at == "2026-01-01T06:00:00.000000+00:00"
        assert state.run.argv == (early,)
        assert baseline.saved_at == late
        assert find_damage(target) == []


def test_latencies_and_numbers_at_their_limits_are_intact(store_path: Path) -> None:
    metrics = '[["latency","s",4],["evaluate","1",3]]'
    values = (1e-10, 1e6, 4e-10, 2e5, -1e30, 1e30, 0.0)
    rewrite(store_path, "results", metrics=metrics, samples=samples(*values))
    with open_store(str(store_path)) as store:
        [found] = store.results(RUN.id)
    assert found.measurements == (Measurement("latency", "s", values[:4]), Measurement("evaluate", "1", values[4:]))

    metrics = json.dumps([["latency", "s", 1], *([metric, unit, 1] for metric, unit, *_ in BESIDE)])
    rewrite(store_path, "results", metrics=metrics, samples=samples(1.0, *(good for *_, good in BESIDE)))
    with open_store(str(store_path)) as store:
        [found] = store.results(RUN.id)
    assert [one.samples for one in found.measurements[1:]] == [(good,) for *_, good in BESIDE]


def test_a_record_without_fields_that_only_later_versions_have_is_intact(store_path: Path) -> None:
    old = {key: value for key, value in result().case.to_json().items() if key not in ("kept", "n_kept")}
    rewrite(store_path, "cases", record=json.dumps(old))
    with open_store(str(store_path)) as store:
        assert store.plan(RUN.id)[0] == [Case("sdpa", 512)]
