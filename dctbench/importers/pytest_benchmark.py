"""Files of `pytest --benchmark-json`: benchmarks that say which attention they measured become results.

How a benchmark is mapped: its `extra_info` and, under that, its `params` are read for the fields of a case by their
own names. `implementation` and `seq_len` must be there (`impl`, `seq` and `n` are understood); `ratio`, `batch`,
`heads`, `head_dim`, `dtype`, `device`, `scope`, `mode`, `engine`, `threads` and `task` may be. `stats.data`, seconds
per call, becomes the samples of one round. The machine is what `machine_info` says, its fingerprint a hash of that, so
that such results are never mistaken for ones that dctbench took. The run's id is a hash of what was read, so that one
file is one run however often it is imported. A benchmark without samples or without those names is refused rather
than guessed at.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dctbench.importers.fields import MAX_CASES, Whole, utc
from dctbench.importers.json_document import case_of
from dctbench.model import Environment, Measurement, Result, ResultDetails, Run, digest, tidy_number
from dctbench.text.sanitize import sanitize_text
from dctbench.text.untrusted import MAX_SAMPLES, Free, InvalidDataError, Name, Seconds, Text, check_free, converted

SUITE = "pytest-benchmark"
_MOST_CORES = 2**24
_MOST_OF_VERSION = 16  # of the 40 characters that a store has for what measured, which PostgreSQL insists on
_SPELLINGS = {"impl": "implementation", "seq": "seq_len", "n": "seq_len"}


class _Stats(Struct):
    data: Annotated[list[Seconds], Meta(min_length=1, max_length=MAX_SAMPLES)] | None = None


class _Benchmark(Struct):
    name: Text
    stats: _Stats
    params: Free | None = None
    extra_info: Free = {}


class _File(Struct):
    benchmarks: Annotated[list[_Benchmark], Meta(max_length=MAX_CASES)]
    datetime: Annotated[str, Meta(max_length=40)]
    machine_info: Free = {}
    version: Annotated[str, Meta(max_length=40)] = "?"


class _Fields(Struct, omit_defaults=True):
    """The fields of a case; those that are not given take the defaults of a case."""

    implementation: Name
    seq_len: Whole
    ratio: Annotated[float, Meta(ge=1, le=2**24)] | None = None
    batch: Whole = 1
    heads: Whole = 8
    head_dim: Whole = 64
    dtype: Name = "float32"
    device: Name = "cpu"
    scope: Name = "layer"
    mode: Name = "forward"
    engine: Name = "eager"
    threads: Whole | None = None
    task: Name | None = None


def parse(data: bytes) -> tuple[Run, dict[str, Environment], list[Result]]:
    """The run, its one environment and its results, as the module says.

    Raises:
        Bad, msgspec.MsgspecError: when the file is not valid, or holds a benchmark that cannot be mapped.
    """
    file = msgspec.json.decode(data, type=_File)
    environment = _environment(file.machine_info)
    results: dict[str, Result] = {}
    for index, benchmark in enumerate(file.benchmarks):
        result = _result(benchmark, f"benchmarks[{index}]", environment)
        if result.case.id in results:
            raise InvalidDataError(
                f"benchmarks[{index}] ({sanitize_text(benchmark.name)}): the same case as an earlier one"
            )
        results[result.case.id] = result
    started_at = utc(file.datetime, "datetime")
    run = Run(
        id=digest([SUITE, started_at, environment.fingerprint,
                   [[key, result.measurements[0].samples] for key, result in results.items()]]),
        label=None,
        suite=SUITE,
        argv=(),
        started_at=started_at,
        dctbench_version=f"none ({SUITE} {sanitize_text(file.version)[:_MOST_OF_VERSION]})",
    )  # fmt: skip
    return run, {environment.fingerprint: environment}, list(results.values())


def _result(benchmark: _Benchmark, place: str, environment: Environment) -> Result:
    name = sanitize_text(benchmark.name)
    said: dict[str, Any] = {}
    for key, table in (("params", benchmark.params or {}), ("extra_info", benchmark.extra_info)):
        check_free(table, f"{place}.{key}")
        said |= {_SPELLINGS.get(field, field): value for field, value in table.items()}
    for required in ("implementation", "seq_len"):
        if required not in said:
            raise InvalidDataError(f"{place} ({name}): neither params nor extra_info says its {required}")
    fields = msgspec.to_builtins(converted(said, _Fields, place))
    if "ratio" in fields:
        fields["ratio"] = tidy_number(fields["ratio"])
    if not benchmark.stats.data:
        raise InvalidDataError(f"{place} ({name}): stats.data is missing; write the file with --benchmark-json")
    return Result(
        case=case_of(fields, place),
        round=1,
        status="ok",
        measurements=(Measurement("latency", "s", tuple(benchmark.stats.data)),),
        details=ResultDetails(benchmark=name),
        fingerprint=environment.fingerprint,
        host=environment.host,
    )


def _environment(machine: dict[str, Any]) -> Environment:
    """The facts that other environments have too, as far as pytest-benchmark knows them."""
    check_free(machine, "machine_info")
    cpu = machine.get("cpu")
    brand = cpu.get("brand_raw") if isinstance(cpu, dict) else None
    count = cpu.get("count") if isinstance(cpu, dict) else None
    valid = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= _MOST_CORES
    facts = {
        "host": _told(machine.get("node"), ""),
        "cpu": _told(brand or machine.get("processor") or machine.get("machine"), "unknown"),
        "cores_usable": count if valid else None,
        "python": _told(machine.get("python_version"), "unknown"),
        "torch": None,
        "gpu": None,
    }
    return Environment(facts, digest(["pytest-benchmark", facts]))


def _told(value: Any, otherwise: str) -> str:
    """What a file says of its machine as a short text."""
    return sanitize_text(str(value or otherwise))[:255]
