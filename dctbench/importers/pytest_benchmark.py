"""Import of `pytest --benchmark-json` files: each benchmark that names the attention it measured becomes a result.

How a benchmark is mapped:

- The fields of the case come from `extra_info` and `params`, by name. `extra_info` takes precedence.
  `implementation` and `seq_len` are required (`impl`, `seq` and `n` are accepted as short names). `ratio` or `kept`,
  `batch`, `heads`, `head_dim`, `dtype`, `device`, `scope`, `mode`, `engine`, `threads` and `task` are optional: where a
  benchmark does not state one of them, the default of dctbench is assumed, and `import` says which. The other fields of
  a case, such as `model` and `period`, are read from benchmarks that dctbench exported, which have a `case_id`:
  elsewhere these words may mean anything.
- `stats.data`, in seconds per call, becomes the samples of one round. Each is the mean of `stats.iterations` calls.
- `machine_info` becomes the environment. Its fingerprint is a hash of these facts, so that the results are never
  mistaken for measurements of dctbench. A benchmark that dctbench exported from a run on several machines has its own
  in `extra_info`.
- The id of the run is a hash of the data, so that importing a file twice stores one run.

A benchmark without samples or without a required field is refused.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from dctbench.importers.fields import MAX_CASES
from dctbench.importers.json_document import case_of
from dctbench.model import Environment, Measurement, Result, ResultDetails, Run, digest, tidy_number
from dctbench.text.fields import CaseFields, Whole, utc
from dctbench.text.sanitize import sanitize_text
from dctbench.text.untrusted import MAX_SAMPLES, Free, InvalidDataError, Name, Seconds, Text, check_free, converted

SUITE = "pytest-benchmark"
_MAX_CORES = 2**24
_MAX_ITERATIONS = 2**53
_MAX_VERSION = 16  # characters; the column `dctbench_version` holds 40, which PostgreSQL enforces
_OURS = ("model", "layers", "recover", "input", "period", "deadline", "ranks", "machine_info")
_SPELLINGS = {"impl": "implementation", "seq": "seq_len", "n": "seq_len"}


class _Stats(Struct):
    iterations: Annotated[int, Meta(ge=1, le=_MAX_ITERATIONS)] | None = None
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


class _Fields(CaseFields, omit_defaults=True, kw_only=True):
    """The fields of a case, with the defaults of those that a benchmark need not name."""

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


_ASSUMED = {one.name: one.default for one in fields(_Fields) if one.default not in (msgspec.NODEFAULT, None)}


def parse(data: bytes) -> tuple[Run, dict[str, Environment], list[Result], dict[str, Any]]:
    """Return the run, its environments by fingerprint, and its results; see the module docstring.

    The last value has the fields that not every benchmark states, each with the value that it is then taken to have.

    Raises:
        InvalidDataError, msgspec.MsgspecError: when the file is invalid or contains a benchmark that cannot be mapped.
    """
    file = msgspec.json.decode(data, type=_File)
    shared = _environment(file.machine_info, "machine_info")
    environments: dict[str, Environment] = {}
    results: dict[str, Result] = {}
    assumed: dict[str, Any] = {}
    for index, benchmark in enumerate(file.benchmarks):
        place = f"benchmarks[{index}]"
        given = _given(benchmark, place)
        own = given.get("machine_info")
        environment = _environment(own, f"{place}.extra_info.machine_info") if isinstance(own, dict) else shared
        environments[environment.fingerprint] = environment
        result = _result(benchmark, given, place, environment)
        assumed |= {field: value for field, value in _ASSUMED.items() if field not in given}
        if result.case.id in results:
            raise InvalidDataError(
                f"benchmarks[{index}] ({sanitize_text(benchmark.name)}): the same case as an earlier one"
            )
        results[result.case.id] = result
    started_at = utc(file.datetime, "datetime")
    run = Run(
        id=digest([SUITE, started_at, *(environments or [shared.fingerprint]),
                   [[key, result.measurements[0].samples] for key, result in results.items()]]),
        label=None,
        suite=SUITE,
        argv=(),
        started_at=started_at,
        dctbench_version=f"none ({SUITE} {sanitize_text(file.version)[:_MAX_VERSION]})",
    )  # fmt: skip
    return run, environments or {shared.fingerprint: shared}, list(results.values()), assumed


def _given(benchmark: _Benchmark, place: str) -> dict[str, Any]:
    """Return what a benchmark states, by the names of dctbench."""
    given: dict[str, Any] = {}
    for key, table in (("params", benchmark.params or {}), ("extra_info", benchmark.extra_info)):
        check_free(table, f"{place}.{key}")
        given |= {_SPELLINGS.get(field, field): value for field, value in table.items()}
    if "case_id" not in given:
        given = {field: value for field, value in given.items() if field not in _OURS}
    return given


def _result(benchmark: _Benchmark, given: dict[str, Any], place: str, environment: Environment) -> Result:
    name = sanitize_text(benchmark.name)
    for required in ("implementation", "seq_len"):
        if required not in given:
            raise InvalidDataError(f"{place} ({name}): neither params nor extra_info contains {required}")
    read = msgspec.to_builtins(converted(given, _Fields, place))
    if "ratio" in read:
        read["ratio"] = tidy_number(read["ratio"])
    if not benchmark.stats.data:
        raise InvalidDataError(f"{place} ({name}): stats.data is missing; write the file with --benchmark-json")
    return Result(
        case=case_of(read, place),
        round=1,
        status="ok",
        measurements=(Measurement("latency", "s", tuple(benchmark.stats.data)),),
        details=ResultDetails(calls_per_sample=benchmark.stats.iterations, benchmark=name),
        fingerprint=environment.fingerprint,
        host=environment.host,
    )


def _environment(machine: dict[str, Any], place: str) -> Environment:
    """Return an environment with the usual facts, as far as pytest-benchmark records them."""
    check_free(machine, place)
    cpu = machine.get("cpu")
    brand = cpu.get("brand_raw") if isinstance(cpu, dict) else None
    count = cpu.get("count") if isinstance(cpu, dict) else None
    valid = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= _MAX_CORES
    facts = {
        "host": _short_text(machine.get("node"), ""),
        "cpu": _short_text(brand or machine.get("processor") or machine.get("machine"), "unknown"),
        "cores_usable": count if valid else None,
        "python": _short_text(machine.get("python_version"), "unknown"),
        "torch": None,
        "gpu": None,
    }
    return Environment(facts, digest(["pytest-benchmark", facts]))


def _short_text(value: Any, default: str) -> str:
    """Return a value from the file as a short text without control characters."""
    return sanitize_text(str(value or default))[:255]
