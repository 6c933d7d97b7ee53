"""Runs of several machines: each is read by itself, and no figure mixes two."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from dctbench import analysis
from dctbench.exporters.json_document import document, dumps
from dctbench.exporters.registry import FORMATS
from dctbench.importers import parse
from dctbench.model import Environment, Result, WarningCode
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from dctbench.runs.machines import by_machine, machine_name, machine_words
from dctbench.wording.markdown import markdown
from tests.support.made import ENVIRONMENT, RUN, in_two_rounds, result

OTHER = Environment({**ENVIRONMENT.facts, "host": "bench-2", "cpu": "Other CPU"}, "e" * 16)


def there(one: Result) -> Result:
    return replace(one, fingerprint=OTHER.fingerprint, host="bench-2")


HERE_RESULTS = in_two_rounds([result("sdpa", 512, 2e-3), result("dct-x", 512, 4e-3, ratio=8)])
OTHER_RESULTS = [
    there(one) for one in in_two_rounds([result("sdpa", 1024, 9e-3), result("dct-x", 1024, 1e-3, ratio=8)])
]
BEGUN = result("full", 1024).case
NEW = result("full", 2048).case
BOTH = RecordedRun(
    replace(RUN, label="nightly"),
    {ENVIRONMENT.fingerprint: ENVIRONMENT, OTHER.fingerprint: OTHER},
    [*HERE_RESULTS, *OTHER_RESULTS],
    [*dict.fromkeys(one.case for one in [*HERE_RESULTS, *OTHER_RESULTS]), BEGUN, NEW],
)


def test_a_run_of_two_machines_is_read_in_two_parts() -> None:
    one, two = by_machine(BOTH)
    assert (one.results, two.results) == (HERE_RESULTS, OTHER_RESULTS)
    assert (one.environments, two.environments) == ({"f" * 16: ENVIRONMENT}, {"e" * 16: OTHER})
    assert (one.title, two.title) == ("nightly on Test CPU, ffffff", "nightly on Other CPU, eeeeee")
    assert BEGUN in two.plan, "it is compared with what that machine measured"
    assert NEW in one.plan
    assert len(one.plan) + len(two.plan) == len(BOTH.plan)


def test_a_run_of_one_machine_stays_as_it_is() -> None:
    alone = replace(BOTH, results=HERE_RESULTS)
    assert by_machine(alone) == [alone]
    assert alone.title == "nightly"


def test_every_output_has_a_part_for_each_machine_and_no_crossing_between_them() -> None:
    """dct-x is slower at 512 on one machine and faster at 1024 on the other: no length is where they cross."""
    text = markdown(by_machine(BOTH))
    assert [line for line in text.splitlines() if line.startswith("###")] == [
        "### dctbench nightly on Test CPU, ffffff", "### dctbench nightly on Other CPU, eeeeee",
    ]  # fmt: skip
    page = html([BOTH])
    assert page.count("nightly on Test CPU, ffffff") > 1
    assert "cross near" not in page
    assert "is slower than sdpa at n = 512, the only measured length" in page
    assert "At n = 1024, dct-x r=8 is fastest" in page
    assert str(FORMATS["markdown"].write(BOTH)).count("### Latency") == 2
    assert str(FORMATS["latex"].write(BOTH)).count(r"\begin{table}") == 2


GPU = {"name": "NVIDIA H200", "uuid": "GPU-1234", "driver": "550", "power_cap_watts": None}


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({}, "Test CPU, 2 cores, torch 2.13.0"),
        ({"gpu": [GPU, GPU]}, "NVIDIA H200, Test CPU, 2 cores, torch 2.13.0"),
        ({"gpu": [GPU, {"name": "Other GPU"}, {}]}, "NVIDIA H200, Other GPU, Test CPU, 2 cores, torch 2.13.0"),
        ({"cpu_id": "AuthenticAMD 25 17 1"}, "Test CPU, family 25 model 17, 2 cores, torch 2.13.0"),
        ({"cores_usable": 1}, "Test CPU, 1 core, torch 2.13.0"),
        ({"cores_usable": None, "torch": None}, "Test CPU"),
    ],
)
def test_every_output_names_a_machine_by_its_gpus_first_and_leaves_out_what_is_unknown(
    facts: dict[str, Any], named: str
) -> None:
    environment = Environment({**ENVIRONMENT.facts, **facts}, ENVIRONMENT.fingerprint)
    run = replace(BOTH, environments={environment.fingerprint: environment}, results=HERE_RESULTS)
    assert f"\n{named}. Run `{RUN.id}`" in str(FORMATS["markdown"].write(run))
    assert f". {named}. Run `{RUN.id}`" in markdown([run])
    assert f"({named}, run {RUN.short_id})" in str(FORMATS["latex"].write(run))
    assert re.search(rf"[ >]{re.escape(named)} *<", html([run]))
    assert machine_name(run) == f"{named} (ffffff)"


def test_a_machine_that_measured_nothing_gives_a_run_no_name() -> None:
    """A run on a cluster has an environment of each node, whichever of them got a case."""
    run = replace(BOTH, environments={OTHER.fingerprint: OTHER, ENVIRONMENT.fingerprint: ENVIRONMENT})
    run = replace(run, results=HERE_RESULTS)
    assert machine_name(run) == "Test CPU, 2 cores, torch 2.13.0 (ffffff)"
    assert machine_name(replace(run, environments={})) == "a machine (ffffff)"


def test_machines_of_which_nothing_differs_are_named_once_and_without_any_there_is_no_empty_sentence() -> None:
    assert machine_words([ENVIRONMENT, ENVIRONMENT, OTHER]) == (
        "Test CPU, 2 cores, torch 2.13.0; Other CPU, 2 cores, torch 2.13.0"
    )
    assert f"\na machine. Run `{RUN.id}`" in str(FORMATS["markdown"].write(replace(BOTH, environments={})))


def test_the_provenance_of_a_page_shows_each_fact_of_a_gpu_and_no_python() -> None:
    environment = Environment({**ENVIRONMENT.facts, "gpu": [GPU, {"name": "Other GPU"}]}, ENVIRONMENT.fingerprint)
    page = html([replace(BOTH, environments={environment.fingerprint: environment}, results=HERE_RESULTS)])
    told = page.split('id="h-provenance"')[1].split("</section>")[0]
    assert "<td>name NVIDIA H200; uuid GPU-1234; driver 550, name Other GPU</td>" in told
    assert not re.search(r"[{}]|&#39;|None", told)


def test_a_benchmark_of_several_machines_names_its_own_and_one_of_a_single_machine_has_it_on_top() -> None:
    def written(run: RecordedRun) -> Any:
        return json.loads(str(FORMATS["pytest-benchmark"].write(run)))

    both = written(BOTH)
    assert (both["machine_info"], both["commit_info"]) == ({}, {})
    assert {
        (one["params"]["seq_len"], one["extra_info"]["machine_info"]["cpu"]["brand_raw"]) for one in both["benchmarks"]
    } == {(512, "Test CPU"), (1024, "Other CPU")}
    alone = written(replace(BOTH, results=OTHER_RESULTS))
    assert alone["machine_info"]["cpu"]["brand_raw"] == "Other CPU"
    assert not any("machine_info" in one["extra_info"] for one in alone["benchmarks"])


def test_rounds_on_another_machine_are_left_out_of_the_statistics_and_told() -> None:
    """0.1 s, 0.1 s and, elsewhere, 0.9 s: the mean is 0.1 s, and nothing between."""
    rounds = [
        result("sdpa", 512, 0.1, round=1),
        there(result("sdpa", 512, 0.9, round=2)),
        result("sdpa", 512, 0.1, round=3),
    ]
    [summary] = analysis.summarise(rounds)
    assert summary.latency is not None
    assert summary.latency.value == pytest.approx(0.1)
    assert (summary.fingerprint, [one.round for one in summary.rounds]) == (ENVIRONMENT.fingerprint, [1, 3])
    assert [(one.code, one.values) for one in summary.warnings] == [(WarningCode.OTHER_MACHINE, {"rounds": 1})]


def test_an_exported_file_keeps_the_rounds_of_every_machine_and_reads_them_back() -> None:
    rounds = [
        there(result("sdpa", 512, 0.9, round=1, values={"flops": ("FLOP", 1e9)})), result("sdpa", 512, 0.1, round=2),
        result("sdpa", 512, 0.1, round=3),
    ]  # fmt: skip
    made = document(RUN, BOTH.environments, rounds)
    assert [entry["fingerprint"] for entry in made["results"]] == ["f" * 16, "e" * 16]
    run, environments, read, _ = parse(dumps(made).encode(), "made.json")
    assert read == rounds
    assert document(run, environments, read) == made


def test_two_entries_of_one_round_are_refused() -> None:
    made = document(RUN, BOTH.environments, [result("sdpa", 512, 0.1), there(result("sdpa", 512, 0.9, round=2))])
    made["results"][1]["rounds"][0]["round"] = 1
    with pytest.raises(Exception, match="round 1 occurs twice"):
        parse(dumps(made).encode(), "made.json")
