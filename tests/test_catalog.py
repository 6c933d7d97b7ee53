"""Names without imports: look-ups, globs, suggestions, and a user's own classes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dctbench import analysis, catalog
from dctbench.catalog.tasks import TASKS, select_tasks, tasks
from dctbench.errors import AbsentError, NotLoadedError, UsageError
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.packages import install


@pytest.mark.parametrize(
    "table",
    [catalog.IMPLEMENTATIONS, catalog.METRICS, catalog.DEVICES, TASKS],
    ids=["impls", "metrics", "devices", "tasks"],
)
def test_every_entry_says_what_it_is(table: dict[str, object]) -> None:
    assert table
    for name, entry in table.items():
        assert entry.name == name  # type: ignore[attr-defined]
        assert entry.summary  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", catalog.DEVICES)
def test_every_device_module_has_the_whole_interface(name: str) -> None:
    module = catalog.DEVICES[name].load()
    assert all(callable(getattr(module, word)) for word in ("synchronize", "memory_bytes", "out_of_memory"))


def test_globs_and_words_select_each_name_once_in_order() -> None:
    assert catalog.select("thing", ["b*", "a", "bb"], ["a", "bb", "bc"]) == ["bb", "bc", "a"]


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown implementation 'dtc-x'; did you mean 'dct-x'"):
        catalog.select_implementations(["dtc-x"])
    with pytest.raises(UsageError, match="unknown implementation 'zz\\*'"):
        catalog.select_implementations(["zz*"])


def test_a_class_of_ones_own_is_named_by_its_target_and_asked_about_its_ratio_later() -> None:
    assert catalog.select_implementations(["my.module:Layer", "sdpa"]) == ["my.module:Layer", "sdpa"]
    assert catalog.implementation("my.module:Layer").uses_ratio is None


@pytest.mark.parametrize(
    ("source", "words", "absent"),
    [
        (None, "importing absent_module failed", True),
        ("1/0", "ZeroDivisionError", False),
        ("x = 1", "has no 'Layer'", True),
        ("import absent_dependency", "No module named 'absent_dependency'", False),
        ("from json import absent_name", "cannot import name 'absent_name'", False),
    ],
)
def test_a_class_that_cannot_be_loaded_is_one_sentence_which_tells_whether_there_is_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, words: str, absent: bool
) -> None:
    name = "absent_module" if source is None else f"broken_{abs(hash(source))}"
    if source is not None:
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NotLoadedError, match=words) as refused:
        catalog.load_target(f"{name}:Layer")
    assert isinstance(refused.value, AbsentError) is absent
    sys.modules.pop(name, None)


LAYER = """
from torch import nn
class Layer(nn.Module):
    def __init__(self, *, seq_len, dim, heads, ratio=None):
        super().__init__()
        self.v_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
    def forward(self, x, key_padding_mask=None):
        return self.out_proj(self.v_proj(x))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, for installed packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_installed_package_adds_its_attention_under_its_own_name(folder: Path) -> None:
    install(folder, "their-package", "their_attention", LAYER, attention="theirs = their_attention:Layer")
    assert catalog.select_implementations(["their*", "sdpa"]) == ["theirs", "sdpa"]
    entry = catalog.implementation("theirs")
    assert (entry.target, entry.source, entry.uses_ratio) == ("their_attention:Layer", "their-package", None)
    assert "their_attention" not in sys.modules


def test_results_may_name_methods_that_are_not_installed_here() -> None:
    """A plugin that was uninstalled, or another machine's: what was measured can still be reported and ranked."""
    run_of = [result("sdpa", 512, 2e-3), result("theirs", 512, 1e-3), result("Some Name", 512, 3e-3)]
    summaries = analysis.summarise(run_of)
    [ranking] = analysis.rankings(summaries, "sdpa")
    assert [s.case.implementation for s in ranking.ranked] == ["theirs", "sdpa", "Some Name"]
    assert catalog.recorded_implementation("theirs").kind is not catalog.Kind.EXACT
    recorded = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, run_of, [one.case for one in run_of])
    assert "theirs" in html([recorded])
    with pytest.raises(UsageError):
        catalog.implementation("theirs")  # to measure it, it must be there


def test_an_installed_package_adds_its_metric_which_is_not_imported(folder: Path) -> None:
    install(folder, "their-package", "their_metric", "1 / 0", metrics="sparsity = their_metric:Sparsity")
    assert list(catalog.metrics()) == [*catalog.METRICS, "sparsity"]
    added = catalog.metrics()["sparsity"]
    assert (added.target, added.unit, added.summary) == ("their_metric:Sparsity", None, "from their-package")
    assert all(metric.target is None for metric in catalog.METRICS.values())


@pytest.mark.parametrize(
    ("table", "names", "both"),
    [
        ("attention", ["sdpa"], r"implementations .* dctbench\.attention\.sdpa:SDPAttention and one:It of one-package"),
        ("metrics", ["flops"], "metrics .* dctbench's own and one:It of one-package"),
        ("attention", ["theirs", "theirs"], "(one|two):It of (one|two)-package and (one|two):It of (one|two)-package"),
        ("metrics", ["theirs", "theirs"], "(one|two):It of (one|two)-package and (one|two):It of (one|two)-package"),
        ("tasks", ["recall"], r"tasks .* dctbench\.tasks\.recall:Recall and one:It of one-package"),
    ],
)
def test_two_of_one_name_are_an_error_that_names_both(folder: Path, table: str, names: list[str], both: str) -> None:
    for name, package in zip(names, ("one", "two"), strict=False):
        install(folder, f"{package}-package", package, "", **{table: f"{name} = {package}:It"})
    with pytest.raises(UsageError, match=both):
        {"metrics": catalog.metrics, "attention": catalog.implementations, "tasks": tasks}[table]()


@pytest.mark.parametrize("name", ["1st", "a b", "a/b", "x" * 61, "<img>"])
def test_a_name_that_would_not_stand_in_a_command_is_refused(folder: Path, name: str) -> None:
    install(folder, "their-package", "theirs", "", metrics=f"{name} = theirs:It")
    with pytest.raises(UsageError, match="their-package adds one of the metrics as"):
        catalog.metrics()


def test_what_a_method_is_does_not_depend_on_its_name() -> None:
    own = catalog.recorded_implementation("dct-of-somebody-else")
    assert (own.family, own.kind) == (catalog.Family.OWN, catalog.Kind.APPROXIMATE)
    families = {entry.name: entry.family for entry in catalog.IMPLEMENTATIONS.values()}
    assert [name for name, family in families.items() if family is catalog.Family.DCT] == [
        "dct-x", "dct-qkv", "dct-ideal", "dct-resample", "dct-kv",
    ]  # fmt: skip
    assert {name for name, entry in catalog.IMPLEMENTATIONS.items() if entry.kind is catalog.Kind.CONTROL} == {
        "pool-kv", "pool", "none",
    }  # fmt: skip


def test_what_an_error_means_is_stated_for_every_method() -> None:
    stated: dict[catalog.ErrorMeans, set[str]] = {}
    for name, entry in catalog.IMPLEMENTATIONS.items():
        stated.setdefault(entry.error_means, set()).add(name)
    exact = {"full", "sdpa", "sdpa-flash", "sdpa-efficient", "sdpa-math", "sdpa-cudnn"}
    assert stated == {
        catalog.ErrorMeans.APPROXIMATES: exact | {"window", "nystromformer", "performer", "dct-ideal", "dct-resample",
                                                  "dct-kv", "pool-kv"},
        catalog.ErrorMeans.OTHER: {"dct-x", "dct-qkv", "linear", "fnet", "reformer", "pool", "none", "delta-net",
                                   "gated-delta-net", "delta-net-bidirectional", "gated-delta-net-bidirectional"},
        catalog.ErrorMeans.UNTRAINED: {"linformer", "linformer-per-head"},
    }  # fmt: skip
    assert catalog.implementation("my.module:Layer").error_means is catalog.ErrorMeans.APPROXIMATES


def test_a_metric_writes_its_own_values() -> None:
    values = {
        "latency": "2.00 s",
        "memory.state": "2 B",
        "flops": "2.00 FLOP",
        "energy": "2.00 J",
        "error.smooth": "2.00",
    }
    quantities = {name: catalog.METRICS[name].quantity for name in values}
    assert {name: found.format(2.0) for name, found in quantities.items() if found} == values


def test_tasks_are_selected_by_name_glob_variant_and_target() -> None:
    words = ["recall/4x", "masked-*/scrambled", "my.own:Task/8x", "acuity/scrambled/shift", "recall/4x"]
    assert select_tasks(words) == [
        "recall/4x", "masked-photo/scrambled", "masked-bytes/scrambled", "my.own:Task/8x", "acuity/shift/scrambled",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("recal", "did you mean 'recall'"),
        ("recall/shift", "no variant 'shift'"),
        ("recall/", "is no variant"),
        ("x*", "x"),
    ],
)
def test_a_wrong_task_is_a_usage_error(word: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        select_tasks([word])


def test_an_installed_package_adds_its_task_which_is_not_imported(folder: Path) -> None:
    install(folder, "their-package", "their_task", "1 / 0", tasks="sorting = their_task:Sorting")
    added = tasks()["sorting"]
    assert (added.target, added.facts, added.summary) == ("their_task:Sorting", None, "from their-package")
    assert select_tasks(["sorting/reversed/4x"]) == ["sorting/reversed/4x"]  # only its class knows its variants


def test_accuracy_on_a_slice_is_a_metric_of_which_more_is_better() -> None:
    part, whole = catalog.metric("accuracy.h4"), catalog.metric("accuracy")
    assert part is not None
    assert whole is not None
    assert (part.unit, part.larger_is_better) == (whole.unit, whole.larger_is_better) == ("1", True)
    assert catalog.metric("speed") is None
    assert [name for name, metric in catalog.METRICS.items() if metric.larger_is_better] == [
        "cosine.noise", "cosine.smooth", "cosine.input",
        "accuracy", "drift.cosine", "drift.tokens", "drift.top1", "drift.neighbours", "evaluate",
    ]  # fmt: skip


def test_only_figures_that_can_be_measured_are_those_of_a_metric() -> None:
    sound = {"latency": [1e-10, 1e6], "kernel_time": [0.0], "accuracy.h4": [0.0, 1.0], "error.noise": [0.0, 6.5],
             "drift.cosine": [-1.0, 1.0000000000000004], "evaluate": [-1e9, 1e9], "memory.state": [0.0]}  # fmt: skip
    for name, figures in sound.items():
        assert catalog.why_not_measured(name, figures) is None
    assert catalog.why_not_measured("latency", [1.0, 0.0]) == "0 is less than 1e-10"
    assert catalog.why_not_measured("accuracy.h4", [1.25]) == "1.25 is more than 1"
    assert catalog.why_not_measured("recovered.loss", [-1.0]) == "-1 is less than 0"
    assert catalog.why_not_measured("flops", [1.0]) is None
    assert catalog.why_not_measured("flops", [0.0]) == "0 is less than 1"  # no worker counts nothing
    assert catalog.why_not_measured("of a package", [-1e300]) is None
