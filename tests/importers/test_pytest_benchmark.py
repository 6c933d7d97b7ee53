"""Files of pytest-benchmark: a benchmark that names its attention is imported, any other is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dctbench import analysis
from dctbench.errors import UsageError
from dctbench.exporters.json_document import dumps
from dctbench.exporters.pytest_benchmark import pytest_benchmark
from dctbench.importers import parse, read_file
from dctbench.model import Case, Result, ResultDetails
from tests.fuzz.command import command
from tests.importers.test_json_document import RESULTS
from tests.support import ROOT
from tests.support.made import ELSEWHERE, ENVIRONMENT, RUN, elsewhere, result

REAL = Path(__file__).parent / "files" / "pytest-benchmark-5.json"


def test_a_file_is_the_same_run_each_time_it_is_read() -> None:
    run, environments, results, _ = read_file(str(REAL))
    assert [r.case for r in results] == [Case("sdpa", n, heads=2, head_dim=8) for n in (64, 128)]
    latency = results[0].measurement("latency")
    assert latency is not None
    assert (latency.unit, len(latency.samples), latency.samples[0]) == ("s", 8, 5.00960013596341e-07)
    assert [r.details.calls_per_sample for r in results] == [50, 50]
    assert (run.suite, run.label) == ("pytest-benchmark", None)
    assert run.started_at == "2026-01-02T03:04:05.678901+00:00"
    [environment] = environments.values()
    assert (environment.facts["cpu"], environment.host) == ("Test CPU", "bench-1")
    assert environment.fingerprint != ENVIRONMENT.fingerprint
    assert read_file(str(REAL))[0] == run


def changed(change: Callable[[Any], object]) -> bytes:
    data = json.loads(REAL.read_text(encoding="utf-8"))
    change(data)
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["benchmarks"][1]["extra_info"].clear(),
         "benchmarks[1] (test_sdpa[128]): neither params nor extra_info contains implementation"),
        (lambda d: d["benchmarks"][0].update(params=None), "extra_info contains seq_len"),
        (lambda d: d["benchmarks"][0]["stats"].pop("data"), "stats.data is missing; write the file with"),
        (lambda d: d["benchmarks"][0]["stats"].update(data=["x"]), "benchmarks[0].stats.data[0]: expected float"),
        (lambda d: d["benchmarks"][0]["stats"].update(iterations=0), "benchmarks[0].stats.iterations: expected int"),
        (lambda d: d["benchmarks"][0]["extra_info"].update(heads="two"), "benchmarks[0].heads: expected int"),
        (lambda d: d["benchmarks"][0]["extra_info"].update(mode="sideways"), "benchmarks[0].mode: 'sideways'"),
        (lambda d: d["benchmarks"].append(d["benchmarks"][0]), "benchmarks[2] (test_sdpa[64]): the same case"),
        (lambda d: d.update(datetime="soon"), "datetime: 'soon' is not a time"),
        (lambda d: d.update(benchmarks={}), "benchmarks: expected array, got object"),
        (lambda d: d.pop("datetime"), "missing required field datetime"),
    ],
)  # fmt: skip
def test_a_benchmark_that_cannot_be_mapped_is_refused_with_its_name(
    change: Callable[[Any], object], words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse(changed(change), "given.json")
    assert words in refused.value.message


def test_short_names_and_missing_machine_info_are_accepted() -> None:
    def bare(data: Any) -> None:
        data["machine_info"] = {}
        data["benchmarks"][0].update(params={"n": 64}, extra_info={"impl": "dct-x", "ratio": 4.0})

    _, environments, results, _ = parse(changed(bare), "given.json")
    assert results[0].case == Case("dct-x", 64, 4)
    assert next(iter(environments.values())).facts["cpu"] == "unknown"


def test_a_number_kept_is_part_of_the_case() -> None:
    def kept(data: Any) -> None:
        data["benchmarks"][0].update(params={"n": 640}, extra_info={"impl": "linformer", "kept": 256})

    _, _, results, _ = parse(changed(kept), "given.json")
    assert results[0].case == Case("linformer", 640, kept=256)


@pytest.mark.parametrize("count", [0, -1, 2**40, True, "2", None, 2.5])
def test_an_invalid_number_of_cores_is_left_out(count: object) -> None:
    _, environments, _, _ = parse(changed(lambda d: d["machine_info"]["cpu"].update(count=count)), "given.json")
    assert next(iter(environments.values())).facts["cores_usable"] is None


@pytest.mark.parametrize("name", ["minilm", "realtime"])
def test_models_and_schedules_are_read_back_from_our_own_export(name: str) -> None:
    run, environments, results, _ = read_file(str(ROOT / "reports" / "gallery" / f"{name}.json"))
    summaries = [summary for summary in analysis.summarise(results) if summary.samples]
    _, _, again, _ = parse(dumps(pytest_benchmark(run, environments, summaries)).encode(), "given.json")
    assert [result.case for result in again] == [summary.case for summary in summaries]


def test_what_others_call_a_model_or_layers_is_no_part_of_the_case() -> None:
    given = {"model": "bert-base", "layers": 6, "input": "random", "period": "weekly"}
    data = changed(lambda d: d["benchmarks"][0]["extra_info"].update(given))
    _, _, results, _ = parse(data, "given.json")
    case = results[0].case
    assert (case.model, case.layers, case.input, case.period) == (None, None, None, None)


def test_a_mean_of_several_calls_has_no_tail_of_single_calls_once_it_is_read_back() -> None:
    def rounds(*calls: int) -> list[Result]:
        samples = [1e-4 + i * 1e-8 for i in range(300)]
        return [
            replace(result("sdpa", 64, samples, round=number), details=ResultDetails(calls_per_sample=one))
            for number, one in enumerate(calls, 1)
        ]

    tails = {}
    for calls in ((1, 1), (1, 20), (20, 10)):
        [summary] = analysis.summarise(rounds(*calls))
        written = pytest_benchmark(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [summary])
        [benchmark] = written["benchmarks"]
        assert benchmark["stats"]["iterations"] == max(calls)
        [again] = analysis.summarise(parse(dumps(written).encode(), "given.json")[2])
        tails[calls] = (summary.tail() is None, again.tail() is None)
    assert tails == {(1, 1): (False, False), (1, 20): (True, True), (20, 10): (True, True)}


def test_results_of_several_machines_stay_apart_once_they_are_read_back() -> None:
    found = [result("sdpa", 64, 1e-3), *elsewhere([result("sdpa", 128, 2e-3)])]
    environments = {one.fingerprint: one for one in (ENVIRONMENT, ELSEWHERE)}
    written = pytest_benchmark(RUN, environments, analysis.summarise(found))
    run, machines, results, _ = parse(dumps(written).encode(), "given.json")
    cpus = {one.case.seq_len: machines[one.fingerprint].facts["cpu"] for one in results}
    assert cpus == {64: "Test CPU", 128: "Other CPU"}
    assert len(machines) == 2
    written["benchmarks"][1]["extra_info"]["machine_info"]["cpu"]["brand_raw"] = "A third CPU"
    assert parse(dumps(written).encode(), "given.json")[0].id != run.id


def test_what_others_call_the_machine_of_a_benchmark_is_not_its_environment() -> None:
    given = {"machine_info": {"node": "somewhere", "cpu": {"brand_raw": "some CPU"}}}
    _, environments, _, _ = parse(changed(lambda d: d["benchmarks"][0]["extra_info"].update(given)), "given.json")
    assert [one.host for one in environments.values()] == ["bench-1"]


def test_an_import_says_which_fields_no_benchmark_states(tmp_path: Path) -> None:
    store = str(tmp_path / "s.sqlite")
    done = command("import", str(REAL), "--store", store)
    assert done.code == 0
    told = [line for line in done.err.splitlines() if "not stated" in line]
    assert told == [
        "  not stated by every benchmark, and then taken as: scope layer, batch 1, dtype float32, device cpu, "
        "mode forward, engine eager"
    ]
    summaries = analysis.summarise(RESULTS)
    ours = tmp_path / "ours.json"
    ours.write_text(dumps(pytest_benchmark(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, summaries)), encoding="utf-8")
    done = command("import", str(ours), "--store", store)
    assert (done.code, "not stated" in done.err) == (0, False)


def test_our_own_export_is_read_back_with_its_cases_and_samples() -> None:
    summaries = analysis.summarise(RESULTS)
    written = pytest_benchmark(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, summaries)
    _, _, results, _ = parse(dumps(written).encode(), "given.json")
    measured = [summary for summary in summaries if summary.samples]
    assert [r.case for r in results] == [summary.case for summary in measured]
    assert [r.measurements[0].samples for r in results] == [summary.samples for summary in measured]
