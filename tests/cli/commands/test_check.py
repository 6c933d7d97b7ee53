"""`dctbench check`: through the real command, with another environment as base, another method, a stored run.

No test here depends on a latency that a busy machine may move: tolerances are wide where something must pass, and what
must fail is counted (bytes, FLOPs, a failure) or planted tenfold.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from dctbench.compare import CONFIRMING
from dctbench.exporters.json_document import document, dumps
from dctbench.model import Case
from tests.support import ROOT
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.packages import install

TINY = ("--seq", "64", "--heads", "2", "--head-dim", "8")
EASY = (*TINY, "--tolerance", "900%", "--pairs", "2", "--max-pairs", "2")
"""Two pairs that nothing but a tenfold slowdown could fail."""


def environment(folder: Path, plant: str = "", module: str = "attention/dct_x.py") -> str:
    """An environment with a copy of this dctbench, `plant` added to a module of it; its interpreter."""
    venv.create(folder, with_pip=False)
    [site] = folder.glob("lib/python*/site-packages")
    shutil.copytree(ROOT / "dctbench", site / "dctbench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "suites", site / "dctbench" / "suites")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "zz_packages.pth").write_text("".join(f"{path}\n" for path in ours))
    with (site / "dctbench" / module).open("a") as file:
        file.write(plant)
    return str(folder / "bin" / "python")


def verdicts(done):
    return {(v["case"]["implementation"], v["metric"]): v["kind"] for v in done.json()["verdicts"]}


def about(text: str) -> str:
    """The estimate of the time in what a check says, and in what --dry-run says."""
    estimate: str
    [estimate] = re.findall(r"(?:about|est\.) (.+?) \(", text)
    return estimate


def sorted_cases(planned):
    return sorted(planned.json()["cases"], key=lambda case: (case["implementation"], case["ratio"] or 0))


def test_a_check_needs_exactly_one_base(cli: Cli) -> None:
    done = cli("check")
    assert done.code == 2
    assert "--base-python" in done.err
    done = cli("check", "--baseline", "main", "--base-impl", "sdpa")
    assert done.code == 2
    assert "one base" in done.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--baseline", "main"), "no baseline 'main'"),
        (("--baseline", "absent.json"), "absent.json"),
        (("--base-python", "no/such/python"), "no such program"),
        (("--base-python", "/bin/true"), "not a Python with dctbench"),
        (("--base-python", "/bin/false"), "no usable dctbench"),
        (("--base-impl", "dtc-x"), "dct-x"),
        (("--base-impl", "dct*"), "name one"),
        (("--base-impl", "sdpa", "--tolerance", "0%"), "no two runs agree"),
        (("--base-impl", "sdpa", "--tolerance", "10"), "write 10% or 0.1"),
        (("--base-impl", "sdpa", "--max-error", "noise=5"), "write 5% or 0.05"),
        (("--base-impl", "sdpa", "--pairs", "9", "--max-pairs", "3"), "--max-pairs 3 is less than --pairs 9"),
        (("--base-impl", "sdpa", "--pairs", "many"), "--pairs 'many'"),
        (("--base-impl", "sdpa", "--reference", "sdap"), "sdpa"),
        (("--base-impl", "sdpa", "--max-memory", "lots"), "--max-memory 'lots'"),
        (("--base-impl", "sdpa", "--save-baseline", "main"), "in turns with base"),
        (("--base-impl", "sdpa", "--suite", "noise"), "suite 'noise' is for `dctbench noise`"),
        (("--base-impl", "sdpa", "--at", "seq"), "AXIS=VALUE"),
        (("--base-impl", "sdpa", "--at", "seq=64", "--at", "seq=128"), "one value of an axis at a time"),
        (("--base-impl", "sdpa", "--at", "seq=65536", "--max-memory", "1GiB"), "no case of this check"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_measures_nothing(cli: Cli, tmp_path: Path, flags, said: str) -> None:
    done = cli("check", *TINY, *flags)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob(".dctbench/*.sqlite"))


def test_the_same_code_in_another_environment_passes_and_both_sides_are_stored(cli: Cli, tmp_path: Path) -> None:
    base = environment(tmp_path / "base")
    done = cli("check", *EASY, "--impl", "dct-x", "--ratio", "8", "--base-python", base, "--format", "json")
    assert done.code == 0, done.err
    found = done.json()
    assert {kind for (name, _), kind in verdicts(done).items() if name == "dct-x"} == {"PASS"}
    assert set(found["drift"]) == {"sdpa", "none"}
    [warning] = found["warnings"]
    assert warning.endswith("2 pairs cannot prove it; --max-pairs 5 can")
    assert warning in done.err  # before anything is measured
    assert {v["case"]["implementation"] for v in found["verdicts"]} == {"dct-x"}  # the references get no verdict
    runs = {run["label"]: run["results"] for run in cli("list", "runs", "--format", "json").json()}
    assert runs == {"check (base)": "6", "check": "6"}
    assert found["head"]["id"] != found["base"]["id"]
    resumed = cli("run", "--resume", "check")
    assert resumed.code == 2
    assert "check" in resumed.err


def test_a_slowdown_and_an_extra_copy_planted_in_head_are_called(cli: Cli, tmp_path: Path) -> None:
    """Thirty times the work against a tolerance of 100%: no busy machine hides that, since both sides take turns."""
    base = environment(tmp_path / "base")
    plant = """
_mix = DctXAttention.mix
def _slow(self, x, **more):
    for _ in range(29):
        _mix(self, x, **more)
    return _mix(self, x.clone(), **more)
DctXAttention.mix = _slow
"""
    head = environment(tmp_path / "head", plant)
    # One thread: two would wait for each other wherever another test has a core, longer than the work takes.
    flags = ("--impl", "dct-x", "--seq", "512", "--ratio", "2", "--heads", "4", "--head-dim", "32", "--threads", "1",
             "--tolerance", "100%", "--reference", "none", "--base-python", base)  # fmt: skip
    done = subprocess.run(
        [head, "-P", "-m", "dctbench", "check", *flags],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "SLOWER" in done.stdout
    assert "memory.tensor" in done.stdout
    stored = cli("compare", "latest~1", "latest", "--format", "json").json()["verdicts"]
    found = {verdict["metric"]: verdict for verdict in stored}
    assert (found["latency"]["kind"], found["memory.tensor"]["kind"]) == ("SLOWER", "WORSE")
    assert found["latency"]["effect"] > 3
    [entry] = [one for one in cli("export", "json").json()["results"] if one["case"]["implementation"] == "dct-x"]
    numbers = [one["round"] for one in entry["rounds"]]
    first, fresh = ([n for n in numbers if (n > CONFIRMING) == later] for later in (False, True))
    assert min(len(first), len(fresh)) >= 5  # fewer pairs prove nothing, and the fresh ones said it again


def test_a_method_that_breaks_is_newly_failing_and_one_that_base_lacks_is_new(cli: Cli, tmp_path: Path) -> None:
    base = environment(tmp_path / "base", '\nIMPLEMENTATIONS.pop("dct-kv")\n', "catalog/__init__.py")
    plant = "\ndef _broken(self, *a, **k):\n    raise RuntimeError('broken by a change')\nDctXAttention.mix = _broken\n"
    head = environment(tmp_path / "head", plant)
    done = subprocess.run(
        [head, "-P", "-m", "dctbench", "check", *EASY, "--impl", "dct-x,dct-kv", "--ratio", "8", "--base-python", base,
         "--format", "json"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    said = {(v["case"]["implementation"], v["metric"]): v for v in json.loads(done.stdout)["verdicts"]}
    assert said["dct-x", "status"]["kind"] == "NEWLY_FAILING"
    assert "broken by a change" in said["dct-x", "status"]["reason"]
    assert said["dct-kv", "status"]["kind"] == "NEW"


LAYER = """
from torch import nn
class Layer(nn.Module):
    def __init__(self, *, seq_len, dim, heads):
        super().__init__()
        self.v_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
    def forward(self, x, key_padding_mask=None):
        return self.out_proj(self.v_proj(x))
"""


def test_a_layer_that_base_cannot_load_cannot_be_judged_and_one_that_it_lacks_is_new(cli: Cli, tmp_path: Path) -> None:
    base = environment(tmp_path / "base")
    [site] = (tmp_path / "base").glob("lib/python*/site-packages")
    (site / "needy.py").write_text("import a_dependency_of_base\n" + LAYER)
    head = tmp_path / "src"
    head.mkdir()
    for name in ("needy", "recent"):
        (head / f"{name}.py").write_text(LAYER)
    flags = ("--impl", "needy:Layer,recent:Layer", "--base-python", base, "--format", "json")
    dry = cli("check", *EASY, *flags, "--dry-run", PYTHONPATH=str(head))
    assert "4 cases x 1 to 2 pairs, about" in dry.err
    planned = dry.json()["cases"]
    assert {case["implementation"] for case in planned if "base" not in case["sides"]} == {"recent:Layer"}
    assert {case["implementation"] for case in planned if "base" in case["sides"]} == {"needy:Layer", "sdpa", "none"}
    done = cli("check", *EASY, *flags, PYTHONPATH=str(head))
    assert done.code == 3, done.err
    said = {v["case"]["implementation"]: v for v in done.json()["verdicts"]}
    assert {name: v["kind"] for name, v in said.items()} == {"needy:Layer": "INCOMPARABLE", "recent:Layer": "NEW"}
    assert "base could not load it" in said["needy:Layer"]["reason"]
    assert "No module named 'a_dependency_of_base'" in said["needy:Layer"]["reason"]
    stored = cli("compare", "latest~1", "latest", "--format", "json")
    assert [v["kind"] for v in stored.json()["verdicts"] if v["case"]["implementation"] == "needy:Layer"] == [
        "INCOMPARABLE"
    ]


def test_one_case_of_base_takes_turns_with_each_case_of_head_that_it_stands_for(cli: Cli, tmp_path: Path) -> None:
    flags = (*EASY, "--impl", "dct-x", "--ratio", "4,8", "--base-impl", "sdpa", "--reference", "full")
    planned = cli("check", *flags, "--dry-run", "--format", "json")
    assert not (tmp_path / ".dctbench").exists()
    done = cli("check", *flags, "--format", "json")
    assert done.code in (0, 1), done.err
    base, head = (cli("export", "json", run).json() for run in ("latest~1", "latest"))
    for side, measured in (("base", base), ("head", head)):
        said = [Case.from_json(case) for case in planned.json()["cases"] if side in case["sides"]]
        assert {case.id for case in said} == {entry["case_id"] for entry in measured["results"]}
    assert "4 cases x 2 pairs, about" in planned.err  # both of dct-x, full and none
    assert about(planned.err) == about(done.err)
    [sdpa] = [entry for entry in base["results"] if entry["case"]["implementation"] == "sdpa"]
    of_base = {one["round"] for one in sdpa["rounds"]}
    judged = [entry for entry in head["results"] if entry["case"]["implementation"] == "dct-x"]
    pairs = [
        one.get("details", entry["details"]).get("pair", one["round"]) for entry in judged for one in entry["rounds"]
    ]
    assert len(pairs) == len(set(pairs)) == 4  # two rounds of two cases, each with a process of base for itself
    assert set(pairs) == of_base
    flops = [v for v in done.json()["verdicts"] if v["metric"] == "flops"]
    assert [v["case"]["ratio"] for v in flops] == [4, 8]
    assert len({v["base"] for v in flops}) == 1  # sdpa has no ratio
    assert all(v["kind"] == "BETTER" for v in flops)
    # What is stored says the same again.
    now = {v["case_id"]: v["effect"] for v in done.json()["verdicts"] if v["metric"] == "latency"}
    later = cli("compare", "latest~1", "latest", "--format", "json").json()["verdicts"]
    assert {v["case_id"]: v["effect"] for v in later if v["metric"] == "latency"} == now


def test_a_stored_baseline_is_judged_and_a_case_that_is_gone_is_missing(cli: Cli) -> None:
    measured = cli("run", *TINY, "--impl", "dct-x,sdpa,none", "--ratio", "4,8", "--rounds", "2", "--label", "main")
    assert measured.code == 0, measured.err
    everything = ("--impl", "dct-x,sdpa,none", "--ratio", "4,8", "--baseline", "main", "--format", "json")
    planned = cli(
        "check", *EASY[-4:], "--baseline", "main", "--dry-run", "--format", "json"
    )  # its cases, by no axis flag
    assert planned.code == 0, planned.err
    assert [(case["implementation"], case["ratio"], case["sides"]) for case in sorted_cases(planned)] == [
        ("dct-x", 4, ["head"]), ("dct-x", 8, ["head"]), ("none", None, ["head"]), ("sdpa", None, ["head"]),
    ]  # fmt: skip
    assert "4 cases x 2 processes, about" in planned.err
    assert len(cli("list", "runs", "--format", "json").json()) == 1  # nothing but the baseline
    done = cli("check", *EASY, *everything)
    assert done.code == 0, done.err
    assert done.json()["head"]["suite"] == "quick"  # the baseline's: another would have other settings
    assert {kind for (_, metric), kind in verdicts(done).items() if metric == "flops"} == {"PASS"}
    done = cli("check", *EASY, "--impl", "dct-x", "--ratio", "8", "--baseline", "main", "--format", "json")
    assert done.code == 1, done.err
    assert "MISSING" in verdicts(done).values()


def test_a_baseline_file_of_another_machine_compares_what_is_counted_and_says_that_time_is_not(
    cli: Cli, tmp_path: Path
) -> None:
    assert cli("run", *TINY, "--impl", "dct-x,sdpa,none", "--ratio", "8", "--rounds", "2").code == 0
    text = cli("export", "json").out
    fingerprint = next(iter(json.loads(text)["environments"]))
    (tmp_path / "main.json").write_text(text.replace(fingerprint, "0" * len(fingerprint)))
    flags = ("--impl", "dct-x,sdpa,none", "--ratio", "8", "--baseline", "main.json", "--format", "json")
    assert "3 cases x 1 process, about" in cli("check", *EASY, *flags, "--dry-run", "--max-pairs", "5").err
    done = cli("check", *EASY, *flags)
    assert done.code == 3, done.err
    assert {name: len(samples) for name, samples in samples_of(cli, "latest").items()} == {
        "dct-x": 1, "sdpa": 1, "none": 1,
    }  # fmt: skip
    found = verdicts(done)
    assert found["dct-x", "latency"] == "INCOMPARABLE"
    assert found["dct-x", "flops"] == "PASS"
    assert cli("check", *EASY, *flags, "--inconclusive", "pass").code == 3  # changes INCONCLUSIVE only


def test_budgets_are_checked_where_they_are_asked_for(cli: Cli) -> None:
    flags = ("--impl", "dct-x", "--ratio", "8", "--base-impl", "dct-x", "--format", "json")
    done = cli("check", *EASY, *flags, "--max-memory", "1B", "--max-latency-p99", "1us", "--at", "seq=64")
    assert done.code == 1, done.err
    found = {v["metric"]: (v["kind"], v["reason"]) for v in done.json()["verdicts"]}
    assert found["budget.memory"] == ("OVER_BUDGET", "")
    # the check took the samples that a p99 needs
    assert found["budget.latency.p99"] == ("OVER_BUDGET", "in turns with base; by itself it may be faster")


def samples_of(cli: Cli, run: str) -> dict[str, list[int]]:
    """Samples by implementation, process by process."""
    entries = cli("export", "json", run).json()["results"]
    return {entry["case"]["implementation"]: [one["samples"] for one in entry["rounds"]] for entry in entries}


def test_a_case_that_is_new_gets_the_samples_of_a_p99_in_its_only_process(cli: Cli) -> None:
    assert cli("run", *TINY, "--impl", "sdpa,none", "--rounds", "2", "--label", "main", "-q").code == 0
    flags = (*EASY, "--impl", "sdpa,dct-x", "--ratio", "8", "--baseline", "main")
    done = cli("check", *flags, "--max-latency-p99", "10s", "--format", "json")
    assert {v["metric"]: v["kind"] for v in done.json()["verdicts"] if v["case"]["implementation"] == "dct-x"} == {
        "status": "NEW", "budget.latency.p99": "PASS",
    }  # fmt: skip
    assert [count >= 299 for count in samples_of(cli, "latest")["dct-x"]] == [True]


def test_both_sides_of_a_pair_take_the_samples_that_a_p99_needs(cli: Cli) -> None:
    flags = (*EASY, "--impl", "dct-x", "--ratio", "8", "--base-impl", "sdpa", "--reference", "full")
    assert cli("check", *flags, "--max-latency-p99", "10s").code in (0, 1)
    for run, name in (("latest~1", "sdpa"), ("latest", "dct-x")):
        assert all(count >= 150 for count in samples_of(cli, run)[name])  # 299 over two processes


def test_a_suite_asks_for_the_samples_of_a_p99_at_99_percent_confidence(cli: Cli, tmp_path: Path) -> None:
    gate = '[gate]\nmax_latency_p99 = "10s"\nconfidence = 99\n'
    (tmp_path / "sure.toml").write_text(f'[axes]\nimpl = "dct-x"\nseq = 64\n{gate}', encoding="utf-8")
    flags = (*EASY, "--suite", "sure.toml", "--impl", "dct-x", "--ratio", "8", "--base-impl", "dct-x")
    assert cli("check", *flags).code in (0, 1)
    assert sum(samples_of(cli, "latest")["dct-x"]) >= 459


def test_a_place_where_junit_cannot_be_written_is_refused_before_anything_is_measured(cli: Cli, tmp_path: Path) -> None:
    flags = (*EASY, "--impl", "none", "--base-impl", "none", "--reference", "none")
    done = cli("check", *flags, "--junit", "absent/verdicts.xml")
    assert done.code == 2, done.err
    assert "cannot write absent/verdicts.xml: No such file or directory" in done.err
    assert "with --junit" in done.err
    assert cli("list", "runs", "--format", "json").json() == []
    assert [path.name for path in tmp_path.iterdir()] == [".dctbench"]
    assert cli("check", *flags, "--junit", ".dctbench/verdicts.xml").code == 0


def test_a_suite_states_the_rules_of_its_gate_and_flags_win_over_it(cli: Cli, tmp_path: Path) -> None:
    text = (
        '[axes]\nimpl = "dct-x"\nseq = 64\nratio = 8\nheads = 2\nhead_dim = 8\n\n'
        '[gate]\ntolerance = "900%"\npairs = 2\nmax_pairs = 2\nmax_memory = "1B"\nat = "impl=dct-x"\n'
    )
    (tmp_path / "own.toml").write_text(text)
    done = cli("check", "--suite", "own.toml", "--base-impl", "dct-x", "--format", "json")
    assert done.code == 1, done.err
    assert verdicts(done)["dct-x", "budget.memory"] == "OVER_BUDGET"
    done = cli("check", "--suite", "own.toml", "--base-impl", "dct-x", "--max-memory", "1GiB", "--format", "json")
    assert done.code == 0, done.err
    (tmp_path / "own.toml").write_text(text.replace('"900%"', '"often"'))
    done = cli("check", "--suite", "own.toml", "--base-impl", "dct-x")
    assert done.code == 2
    assert "own.toml, line 9: gate.tolerance" in done.err


def test_an_environment_that_imports_heads_own_files_is_warned_about(cli: Cli) -> None:
    flags = ("--impl", "dct-x", "--ratio", "8", "--base-python", sys.executable, "--format", "json")
    done = cli("check", *EASY, *flags)
    assert done.code == 0, done.err
    assert "imports the same dctbench as head" in done.err
    warning, blind = done.json()["warnings"]
    assert "no slowdown can be called SLOWER" in blind  # by two pairs
    assert "imports the same dctbench as head" in warning


def test_a_layer_that_both_sides_import_from_one_file_is_warned_about(cli: Cli, tmp_path: Path) -> None:
    base = environment(tmp_path / "base")
    [site] = (tmp_path / "base").glob("lib/python*/site-packages")
    shared, head = tmp_path / "shared", tmp_path / "src"
    for folder in (shared, head):
        folder.mkdir()
    (shared / "editable.py").write_text(LAYER)
    (site / "zz_editable.pth").write_text(f"{shared}\n")  # as an editable installation has it
    for folder in (site, head):
        (folder / "installed.py").write_text(LAYER)
    flags = ("--impl", "editable:Layer,installed:Layer", "--base-python", base, "--format", "json")
    done = cli("check", *EASY, *flags, PYTHONPATH=f"{head}:{shared}")
    assert done.code == 0, done.err
    warning, blind = done.json()["warnings"]
    assert "no slowdown can be called SLOWER" in blind  # by two pairs
    same = f"--base-python imports editable:Layer from the same file as head, {shared}/editable.py: it cannot differ"
    assert warning.startswith(same)
    assert f"warning: {same}" in done.err


def test_a_metric_that_only_base_has_installed_is_left_out(cli: Cli, tmp_path: Path) -> None:
    base = environment(tmp_path / "base")
    [site] = (tmp_path / "base").glob("lib/python*/site-packages")
    metric = "class One:\n    unit = '1'\n    def measure(self, case, module, arguments):\n        return 1.0\n"
    install(site, "their-package", "their_metrics", metric, metrics="withdrawn = their_metrics:One")
    done = cli("check", *EASY, "--impl", "dct-x", "--ratio", "8", "--base-python", base, "--format", "json")
    assert done.code == 0, done.err
    assert verdicts(done)["dct-x", "flops"] == "PASS"
    assert set(cli("export", "json", "latest~1").json()["results"][0]["metrics"]) >= {"latency", "flops"}


def test_cases_that_are_skipped_for_want_of_a_device_never_pass(cli: Cli) -> None:
    flags = ("--impl", "dct-x", "--ratio", "8", "--base-impl", "dct-x")
    assert cli("check", *EASY, *flags, "--device", "cuda").code == 6
    done = cli("check", *EASY, *flags, "--device", "cpu,cuda", "--format", "json")
    assert done.code == 3, done.err
    said = {(v["case"]["device"], v["metric"]): v["kind"] for v in done.json()["verdicts"]}
    assert said["cuda:0", "status"] == "INCOMPARABLE"
    assert said["cpu", "flops"] == "PASS"


def test_an_input_that_this_version_does_not_know_is_unsupported_in_head(cli: Cli, tmp_path: Path) -> None:
    for name in ("seismogram", "minilm"):
        made = result("sdpa", 16, 1e-3, heads=1, head_dim=8, input=name)
        text = dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [made]))
        (tmp_path / "other.json").write_text(text, encoding="utf-8")
        done = cli("check", "--baseline", "other.json")
        assert done.code == 1, done.err
        assert f"sdpa n=16 unsupported: {'unknown ' if name == 'seismogram' else ''}input '{name}'" in done.err
