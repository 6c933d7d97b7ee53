"""Suite files: the shipped ones, and every mistake as one sentence with its line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench import catalog
from dctbench.errors import UsageError
from dctbench.model import RunSettings
from dctbench.spec import axes, suites
from dctbench.spec.axes import AxisValues
from dctbench.spec.grid import expand_cases

GOOD = """\
name = "mine"

[axes]
impl = ["sdpa", "dct*"]
seq = ["512..1024", 3000]
ratio = 8

[settings]
case_timeout = "2m"

[settings.env]
MALLOC_TRIM_THRESHOLD_ = "1"
"""


def test_a_suite_file_gives_axes_with_defaults_and_settings() -> None:
    made = suites.parse(GOOD, "mine.toml")
    assert made.axes["seq"] == [512, 1024, 3000]
    assert {"sdpa", "dct-x"} <= set(made.axes["impl"])
    assert made.axes["heads"] == (8,)
    assert made.settings == RunSettings(rounds=5, case_timeout=120.0, env={"MALLOC_TRIM_THRESHOLD_": "1"})


def test_the_devices_of_a_suite_are_those_of_all_its_ranks() -> None:
    text = GOOD.replace("ratio = 8", 'ratio = 8\ndevice = ["cpu", "cuda:1"]\nranks = [1, 3]')
    assert suites.parse(text, "mine.toml").devices == ["cpu", "cuda:1", "cuda:2", "cuda:3"]
    assert suites.parse(GOOD, "mine.toml").devices == ["cpu"]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("ratio = 8", "ratoi = 8", 6, "did you mean 'ratio'"),
        ("ratio = 8", "ratio = 0", 6, "outside 1"),
        ("ratio = 8", "ratio = true", 6, "numbers and ranges only"),
        ('"sdpa"', '"spda"', 4, "unknown implementation 'spda'; did you mean 'sdpa'"),
        ("3000", "-1", 5, "'-1' is not an integer"),
        ('case_timeout = "2m"', 'case_timeout = "soon"', 9, "not a time"),
        ('MALLOC_TRIM_THRESHOLD_ = "1"', "MALLOC_TRIM_THRESHOLD_ = 1", 11, "table of strings"),
        ('MALLOC_TRIM_THRESHOLD_ = "1"', '"OMP_NUM_THREADS=4" = ""', 11, "has an invalid environment variable"),
        ('MALLOC_TRIM_THRESHOLD_ = "1"', 'OMP_NUM_THREADS = "4\\u0000"', 11, "has an invalid environment variable"),
        ("[settings.env]", "[settings.evn]", 11, "did you mean 'env'"),
        ('name = "mine"', "name = 3", 1, "must be a string"),
        ("[settings.env]", "[gate]\ntolerance_memory = 10\n[settings.env]", 12, "write 10% or 0.1"),
    ],
)
def test_a_mistake_names_file_line_key_and_remedy(old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as refused:
        suites.parse(GOOD.replace(old, new), "mine.toml")
    text = f"{refused.value.message} {refused.value.hint}"
    assert f"mine.toml, line {line}:" in refused.value.message
    assert words in text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[axes]\nimpl = "sdpa"\nseq = 64\ninput = "minilm:2"\nheads = "4,12"\n', "line 5: axes.heads has 4"),
        ('[axes]\nimpl = "sdpa"\nseq = 64\ninput = "ecg,minilm:2"\nhead_dim = 64\n', "line 5: axes.head_dim has 64"),
        ('[axes]\nimpl = "sdpa"\ninput = "minilm:2"\n[[parts]]\nseq = 64\nheads = 8\n', "line 6: parts.1.heads has 8"),
    ],
)
def test_a_suite_cannot_give_a_layer_of_a_model_other_heads(text: str, place: str) -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse(text, "mine.toml")
    assert place in refused.value.message
    assert "minilm:2" in refused.value.message
    axis = place.partition(" has")[0].rpartition(".")[2]
    assert refused.value.hint == f"leave out {axis}, or measure other inputs in a suite of their own"


def test_a_duplicate_key_and_broken_toml_are_reported_with_their_line() -> None:
    for text in (GOOD.replace("ratio = 8", "ratio = 8\nratio = 4"), GOOD.replace("[settings]", "[settings")):
        with pytest.raises(UsageError, match="line"):
            suites.parse(text, "mine.toml")


def test_a_suite_without_lengths_is_refused() -> None:
    with pytest.raises(UsageError, match="no 'seq'"):
        suites.parse('[axes]\nimpl = "sdpa"\n', "mine.toml")


@pytest.mark.parametrize(
    "name", [name for name in suites.shipped() if not suites.load(name).axes["task"] and not suites.load(name).parts]
)
def test_a_shipped_suite_gives_each_rival_the_number_of_its_paper(name: str) -> None:
    """The sequences of tasks are shorter than those numbers: there a rival keeps as much as the others. Parts give each
    method a number of their own.
    """
    rivals = {"linformer": 256, "nystromformer": 64, "performer": 256}
    suite = suites.override(suites.load(name), AxisValues(impl=["dct-x", *rivals]))
    cases = expand_cases(suite.axes, catalog.IMPLEMENTATIONS)
    assert {(c.implementation, c.ratio, c.kept) for c in cases if c.kept} == {(r, None, k) for r, k in rivals.items()}
    assert {c.implementation for c in cases if c.ratio} == {"dct-x"}


@pytest.mark.parametrize(
    ("given", "ratio", "kept"),
    [
        ({}, [8], ["default"]),
        ({"ratio": 4}, [4], ()),
        ({"kept": "64"}, (), [64]),
        ({"kept": "default"}, [8], ["default"]),
        ({"ratio": 4, "kept": "default"}, [4], ["default"]),
        ({"ratio": 4, "kept": [64, 256]}, [4], [64, 256]),
    ],
)
def test_what_is_asked_for_on_one_of_the_axes_ratio_and_kept_replaces_both_of_the_suite(
    given: dict[str, Any], ratio: Sequence[int], kept: Sequence[int | str]
) -> None:
    suite = suites.parse(GOOD.replace("ratio = 8", 'ratio = 8\nkept = "default"'), "mine.toml")
    made = suites.override(suite, AxisValues(**given))
    assert (made.axes["ratio"], made.axes["kept"]) == (ratio, kept)


@given(st.text(max_size=80))
def test_any_text_is_a_suite_or_a_usage_error(text: str) -> None:
    try:
        suites.parse(text, "any.toml")
    except UsageError as refused:
        if "\n" in refused.message:
            raise AssertionError("more than one line") from refused


@pytest.mark.parametrize("name", suites.shipped())
def test_every_shipped_suite_loads_and_has_a_description(name: str) -> None:
    loaded = suites.load(name)
    assert loaded.name == name
    assert loaded.description


def test_noise_is_measured_under_the_conditions_of_its_check() -> None:
    assert suites.load("noise").settings.env == suites.load("ci").settings.env != {}


def test_an_unknown_suite_names_the_nearest_and_a_missing_file_its_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        suites.load("qiuck")
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UsageError, match=str(path)):
            suites.load(f"{path}/" if path == tmp_path else str(path))


@pytest.mark.parametrize(
    ("axis", "known"),
    [
        ("dtype", ("float32", "bfloat16", "float16", "float64")),
        ("mode", ("forward", "backward", "train")),
        ("impl", ("dctbench list impls",)),
        ("device", ("dctbench list devices",)),
    ],
)
def test_an_axis_without_a_value_gets_a_hint_of_known_values(axis: str, known: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="no value given") as error:
        axes.words(axis, [" , "])
    assert all(name in str(error.value.hint) for name in known)


@pytest.mark.parametrize("name", ["/\x1e", "no\nsuch.toml", "odd\r\x1b[31m/suite.toml"])
def test_a_path_with_control_characters_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        suites.load(name)
    assert len(refused.value.message.splitlines()) == 1
    assert refused.value.message.isprintable()


def test_a_mistake_in_a_file_of_such_a_name_is_reported_in_one_line() -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse("[axes]\nimpl = 1\nseq = 64", "odd\n\x1ename.toml")
    assert refused.value.message.startswith("suite odd name.toml, line 2: ")


@pytest.mark.parametrize(
    ("old", "new", "said", "hint"),
    [
        ("ratio = 8", "ratoi = 8", "line 6: axes.ratoi is not a key of a suite", "did you mean 'ratio'?"),
        ('"sdpa"', "3", "line 4: axes.impl contains 3; it accepts names only", None),
        ("ratio = 8", "ratio = [2.5, {}]", "line 6: axes.ratio contains {}; it accepts numbers and ranges only", None),
        (
            'case_timeout = "2m"',
            'case_timeout = "soon"',
            "line 9: settings.case_timeout (case_timeout 'soon': not a time)",
            "case_timeout accepts a time above zero: 120s, 2m, 500ms",
        ),
        (
            "[settings.env]",
            "[gate]\npairs = 1\n[settings.env]",
            "line 12: gate.pairs (--pairs '1': not a number of pairs)",
            "--pairs accepts 2 to 200",
        ),
        (
            "[settings.env]",
            "[gate]\npairs = []\n[settings.env]",
            "line 12: gate.pairs must be a string or a number, not []",
            None,
        ),
        (
            'name = "mine"',
            "zzz = 3",
            "line 1: zzz is not a key of a suite",
            "known here: name, description, axes, parts, settings, gate",
        ),
        ('case_timeout = "2m"', "energy = 1", "line 9: settings.energy must be true or false", None),
    ],
)
def test_the_whole_sentence_of_a_mistake(old: str, new: str, said: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse(GOOD.replace(old, new), "mine.toml")
    assert (refused.value.message, refused.value.hint) == (f"suite mine.toml, {said}", hint)


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse('axes = "all"\n', "mine.toml")
    assert refused.value.message == "suite mine.toml, line 1: axes must be a table"


@pytest.mark.parametrize(
    ("table", "place"),
    [("axes", "line 3: axes"), ("settings", "line 8: settings"), ("settings.env", "line 11: settings.env")],
)
def test_an_array_in_place_of_a_table_is_refused_with_its_line(table: str, place: str) -> None:
    text = GOOD.replace(f"[{table}]", f"[[{table}]]")
    with pytest.raises(UsageError, match=rf"^suite mine.toml, {place} must be a table"):
        suites.parse(text, "mine.toml")


@pytest.mark.parametrize(
    ("key", "most"), [("rounds", 1000), ("short_rounds", 1000), ("samples", 100_000), ("jobs", 1024)]
)
def test_a_count_goes_from_one_to_its_most(key: str, most: int) -> None:
    def parsed(count: object) -> RunSettings:
        return suites.parse(GOOD.replace('case_timeout = "2m"', f"{key} = {count}"), "mine.toml").settings

    assert [getattr(parsed(count), key) for count in (1, most)] == [1, most]
    for wrong in (0, most + 1, "true", "1.0", '"3"'):
        with pytest.raises(UsageError, match=f"settings.{key} must be a whole number from 1 to {most}"):
            parsed(wrong)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(GOOD.replace("mine", "m\u00ef").encode("latin-1"))
    with pytest.raises(UsageError, match=r"latin.toml: not UTF-8 text$"):
        suites.load(str(latin))
    latin.write_text(GOOD.replace("mine", "m\u00ef"), encoding="utf-8")
    assert suites.load(str(latin)).name == "m\u00ef"
    with pytest.raises(UsageError, match=r"absent.toml: No such file or directory$") as refused:
        suites.load(str(tmp_path / "absent.toml"))
    assert refused.value.hint == "give the path of a TOML file"


def test_a_suite_without_methods_says_what_every_suite_names() -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse("[axes]\nseq = 64\n", "mine.toml")
    assert refused.value.message == "suite mine.toml: [axes] has no 'impl'"
    assert refused.value.hint == "a suite names at least impl, and seq or task"


def test_patience_is_several_times_the_usual_steps() -> None:
    def parsed(times: object) -> RunSettings:
        return suites.parse(GOOD.replace('case_timeout = "2m"', f"patience = {times}"), "mine.toml").settings

    assert [parsed(times).patience for times in (2, 1000)] == [2, 1000]
    for wrong in (1, 1001, "true"):
        with pytest.raises(UsageError, match=r"settings.patience must be a whole number from 2 to 1000"):
            parsed(wrong)
    assert {name for name in suites.shipped() if suites.load(name).settings.patience} == {"accuracy", "accuracy-long"}


def test_a_name_with_the_ending_of_a_file_is_one_in_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quick.toml").write_text(GOOD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert (suites.load("quick.toml").name, suites.load("quick").name) == ("mine", "quick")
    assert suites.load("quick.toml").description == ""


@pytest.mark.parametrize("named", ["", 'name = "ci"\n'], ids=["by its file", "by its key"])
def test_a_file_that_is_called_like_another_suite_is_refused_with_the_remedy(tmp_path: Path, named: str) -> None:
    path = tmp_path / ("other.toml" if named else "ci.toml")
    path.write_text(f'{named}[axes]\nimpl = "none"\nseq = 64\n[gate]\nmax_memory = "64MiB"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"\.toml: a suite of dctbench has the name 'ci' already$") as refused:
        suites.load(str(path))
    assert refused.value.hint == 'give it another name: name = "my-ci"'
    path.write_text('name = "my-ci"\n' + path.read_text(encoding="utf-8").removeprefix(named), encoding="utf-8")
    assert suites.load(str(path)).name == "my-ci"


@pytest.mark.parametrize("name", suites.shipped())
def test_a_copy_of_a_shipped_suite_is_that_suite(tmp_path: Path, name: str) -> None:
    shipped = (files("dctbench.suites") / f"{name}.toml").read_text(encoding="utf-8")
    (tmp_path / f"{name}.toml").write_text(f"# Only the comments differ.\n{shipped}", encoding="utf-8")
    assert suites.load(str(tmp_path / f"{name}.toml")) == suites.load(name)


def test_a_file_may_have_as_many_bytes_as_allowed_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    padding = suites.MAX_SUITE_BYTES - len(GOOD.encode())
    path.write_text(GOOD + "#" * padding, encoding="utf-8")
    assert suites.load(str(path)).name == "mine"
    path.write_text(GOOD + "#" * (padding + 1), encoding="utf-8")
    with pytest.raises(UsageError, match=r"large.toml: larger than 1048576 bytes$"):
        suites.load(str(path))


def test_a_device_or_a_pipe_in_place_of_a_suite_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "device.toml").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"device.toml: neither a file nor a pipe$"):
        suites.load(str(tmp_path / "device.toml"))
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(UsageError, match=r"pipe.toml: \[axes\] has no 'impl'$"):
        suites.load(str(tmp_path / "pipe.toml"))


@pytest.mark.parametrize(
    ("named", "name"),
    [(r'name = "a\u0007 \t b"', "a b"), ('name = "' + "x" * 300 + '"', "x" * 200), ('name = " "', "unnamed"),
     ("", "mine")],
)  # fmt: skip
def test_a_name_is_one_printable_line_and_a_suite_without_one_has_that_of_its_file(named: str, name: str) -> None:
    assert suites.parse(GOOD.replace('name = "mine"', named), "folder/mine.toml").name == name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[axes]\nimpl = "sdpa"\n"seq" = 0\n', 3),
        ('[ axes ]\nimpl = "sdpa"\n  seq=0\n', 3),
        ('["axes"]\nimpl = "sdpa"\nseq = 0\n', 3),
        ('axes.impl = "sdpa"\naxes.seq = 0\n', None),
        ('[axes]\nimpl = "sdpa"\nseq = 64\n[settings]\nenv.A = 1\n', 5),
        ('[axes]\nimpl = "sdpa"\nseq = 64\n[settings]\n[settings.env]\nA = 1\n', 5),
    ],
)
def test_a_key_is_found_in_the_spellings_of_toml(text: str, line: int | None) -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse(text, "mine.toml")
    place = "mine.toml" if line is None else f"mine.toml, line {line}"
    assert refused.value.message.startswith(f"suite {place}: ")


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (
            {"input": "minilm:2", "heads": "12,8"},
            "--heads 8: the attention of input minilm:2 has --heads 12",
            "leave out --heads, or run the command once for minilm:2 and once for other inputs",
        ),
        (
            {"input": "ecg,minilm:2", "head_dim": "64"},
            "--head-dim 64: the attention of input minilm:2 has --head-dim 32",
            "leave out --head-dim, or run the command once for minilm:2 and once for other inputs",
        ),
    ],
)
def test_a_layer_of_a_model_has_its_own_heads(given: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        suites.override(suites.parse(GOOD, "mine.toml"), AxisValues(**given))
    assert (refused.value.message, refused.value.hint) == (message, hint)
    suites.override(suites.parse(GOOD, "mine.toml"), AxisValues(input="minilm:2", heads="12", head_dim="32"))
    suites.override(suites.parse(GOOD, "mine.toml"), AxisValues(input="ecg", heads="3", head_dim="5"))


def test_only_heads_that_somebody_gave_stay_beside_a_model() -> None:
    plain, minilm = suites.parse('[axes]\nimpl = "sdpa"\nseq = 64\nheads = 3\n', "mine.toml"), suites.load("minilm")
    of_file = suites.parse('[axes]\nimpl = "sdpa"\nseq = 64\nmodel = "minilm"\nscope = "model"\nheads = 3\n', "m.toml")
    for suite, heads, head_dim in (
        (suites.override(plain, AxisValues(model="minilm")), [], []),
        (suites.override(plain, AxisValues(model="minilm", heads=4)), [4], []),
        (suites.override(minilm, AxisValues(model="package.module:make")), [], []),
        (suites.override(minilm, AxisValues(head_dim=8)), [12], [8]),
        (of_file, [3], []),
    ):
        assert (list(suite.axes["heads"]), list(suite.axes["head_dim"])) == (heads, head_dim)


def test_a_model_and_a_task_bring_their_scope_and_other_settings_stay() -> None:
    suite = suites.parse(GOOD, "mine.toml")
    of_model = suites.override(suite, AxisValues(model="minilm"), rounds=7)
    assert (of_model.axes["scope"], of_model.axes["seq"]) == (["model"], [512, 1024, 3000])
    assert (of_model.settings.rounds, of_model.settings.case_timeout) == (7, 120.0)
    assert suites.override(suite, AxisValues(model="minilm", scope="layer")).axes["scope"] == ["layer"]
    of_task = suites.override(suite, AxisValues(task="recall"))
    shapes = {axis: of_task.axes[axis] for axis in ("seq", "batch", "scope", "mode", "heads", "head_dim")}
    assert shapes == {
        "seq": (),
        "batch": (),
        "scope": ("encoder",),
        "mode": ("train",),
        "heads": (4,),
        "head_dim": (16,),
    }
    trained = suites.parse('[axes]\nimpl = "sdpa"\ntask = "recall"\nseq = 32\n', "t.toml")
    assert suites.override(trained, AxisValues(task="acuity")).axes["seq"] == [32]


@pytest.mark.parametrize(
    ("key", "value", "good"),
    [
        ("isolation", '"fresh"', "fresh"),
        ("protocol", '"authors"', "authors"),
        ("energy", "false", False),
        ("margin", '"3pt"', 0.03),
        ("short_rounds", "4", 4),
    ],
)
def test_each_setting_is_read(key: str, value: str, good: object) -> None:
    suite = suites.parse(GOOD.replace('case_timeout = "2m"', f"{key} = {value}"), "mine.toml")
    assert getattr(suite.settings, key) == good


@pytest.mark.parametrize(("key", "words"), [("isolation", "auto, zygote, fresh"), ("protocol", "authors")])
def test_a_setting_with_words_lists_them(key: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse(GOOD.replace('case_timeout = "2m"', f'{key} = "other"'), "mine.toml")
    assert refused.value.message == f"suite mine.toml, line 9: settings.{key} must be one of {words}"


def test_the_rules_of_a_gate_are_read_one_after_the_other() -> None:
    text = GOOD.replace("[settings.env]", '[gate]\npairs = 7\nmax_memory = ["1KiB", "process=2KiB"]\n[settings.env]')
    rules = suites.parse(text, "mine.toml").gate
    assert (rules.pairs, rules.limits) == (7, {"memory": 1024.0, "memory_process": 2048.0})
