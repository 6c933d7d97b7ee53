"""The data of the tasks against definitions written another way: loops, stacks and SciPy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dctbench.catalog.tasks import TASKS
from dctbench.errors import UnavailableError, UnsupportedError, UsageError
from dctbench.tasks import UNASKED, Examples, Task
from dctbench.tasks.acuity import Acuity
from dctbench.tasks.listops import BLANK, CLOSE, FIRST_OPERATOR, START, ListOps
from dctbench.tasks.listops import value as operator_value
from dctbench.tasks.masked_bytes import sources, split_of
from dctbench.tasks.mnist1d import Mnist1d, _resampled, outlines, smoothed
from dctbench.tasks.mqar import Mqar
from dctbench.tasks.pathfinder import Pathfinder
from dctbench.tasks.recall import KEYS, NO_KEY, NO_VALUE, Recall
from dctbench.tasks.seeding import data_generator

SEEDS = st.integers(0, 2**32)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def loaded(name: str) -> Task:
    if name == "masked-photo":
        pytest.importorskip("sklearn", reason="scikit-learn (extra tasks)")
        pytest.importorskip("PIL", reason="Pillow (extra tasks)")
    task: Task = TASKS[name].load()()
    return task


@pytest.mark.parametrize("name", TASKS)
def test_every_task_keeps_what_the_catalog_says_of_it(name: str) -> None:
    task, facts = loaded(name), TASKS[name].facts
    assert facts is not None
    assert (task.facts, task.variants) == (facts, TASKS[name].variants)
    count = 24
    drawn = task.draw(data_generator(1, "test"), count, "test")
    again = task.draw(data_generator(1, "test"), count, "test")
    for one, same in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(one, same)
    other = task.draw(data_generator(2, "test"), count, "test")
    assert not np.array_equal(drawn.inputs, other.inputs)
    assert drawn.inputs.shape[:2] == (count, facts.seq_len)
    if facts.vocabulary is None:
        assert drawn.inputs.dtype == np.float32
        assert drawn.inputs.shape[2:] == (facts.channels,)
    else:
        assert drawn.inputs.dtype == np.int64
        assert 0 <= drawn.inputs.min() <= drawn.inputs.max() < facts.vocabulary
    assert drawn.targets.dtype == np.int64
    assert drawn.targets.shape == ((count, facts.seq_len) if facts.per_position else (count,))
    answered = drawn.targets[drawn.targets != UNASKED]
    assert len(answered) >= count
    assert 0 <= answered.min() <= answered.max() < facts.classes
    assert (drawn.slices is None) == (not facts.slices)
    if drawn.slices is not None:
        assert set(drawn.slices) <= set(range(len(facts.slices)))
    with pytest.raises(UsageError, match="has no variant 'sideways'"):
        TASKS[name].load()(None, ("sideways",))


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("recall", 32, 31), ("mqar", 32, 33), ("mqar", 32, 30), ("listops", 32, 31), ("listops", 8192, 8193),
        ("pathfinder", 1024, 1023), ("masked-photo", 64, 65),
    ],
)  # fmt: skip
def test_a_length_that_a_task_cannot_have_is_unsupported(name: str, good: int, wrong: int) -> None:
    task = type(loaded(name))
    assert task(good).seq_len == good
    with pytest.raises(UnsupportedError, match=f"^{name} "):
        task(wrong)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("pathfinder", "listops")])
def test_the_floor_is_what_the_best_constant_answer_gets(name: str) -> None:
    task = loaded(name)
    drawn = task.draw(data_generator(3, "test"), 1500, "test")
    answered = drawn.targets[drawn.targets != UNASKED]
    best = np.bincount(answered).max() / len(answered)
    assert best == pytest.approx(task.facts.floor, abs=0.02)


@given(SEEDS, st.sampled_from([40, 64]), st.booleans())
def test_acuity_holds_symbols_from_a_phase_on_and_asks_for_the_mirrored_or_shifted_place(
    seed: int, n: int, shifted: bool
) -> None:
    task = Acuity(n, ("shift",) if shifted else ())
    drawn = task.draw(rng(seed), 8, "train")
    assert drawn.slices is not None
    for x, y, which in zip(drawn.inputs, drawn.targets, drawn.slices, strict=True):
        width = 2 ** int(which)
        changes = [j for j in range(1, n) if x[j] != x[j - 1]]
        assert len({j % width for j in changes}) <= 1  # every change is at the same phase
        for j in range(n):
            assert y[j] == x[(j + n // 2) % n if shifted else n - 1 - j]


def test_acuity_draws_every_width_phase_and_symbol_alike() -> None:
    drawn = Acuity().draw(rng(0), 8000, "train")
    assert drawn.slices is not None
    assert np.bincount(drawn.slices) == pytest.approx(np.full(5, 1600), rel=0.15)
    assert np.bincount(drawn.inputs[:, 0]) == pytest.approx(np.full(8, 1000), rel=0.2)
    widest = drawn.inputs[drawn.slices == 4]
    first = [next((j for j in range(1, 64) if x[j] != x[j - 1]), 0) % 16 for x in widest]
    assert np.bincount(first, minlength=16) == pytest.approx(np.full(16, len(first) / 16), rel=0.5)


@given(SEEDS, st.sampled_from([32, 48, 64]))
def test_recall_asks_each_key_once_and_answers_with_the_value_beside_it(seed: int, n: int) -> None:
    drawn = Recall(n).draw(rng(seed), 4, "train")
    for x, y in zip(drawn.inputs, drawn.targets, strict=True):
        known = {int(key): int(v) - KEYS for key, v in x[: n // 2] if key != NO_KEY}
        assert len(known) == len(set(known.values())) == 16
        asked = {}
        for j in range(n):
            key, held = x[j]
            if j < n // 2 or key == NO_KEY:
                assert y[j] == UNASKED
                assert (key == NO_KEY) == (held == NO_VALUE)
            else:
                assert held == NO_VALUE
                asked[int(key)] = int(y[j])
        assert asked == known


@given(SEEDS)
def test_mqar_asks_each_key_at_an_even_place_after_the_pairs(seed: int) -> None:
    drawn = Mqar().draw(rng(seed), 4, "train")
    for x, y in zip(drawn.inputs, drawn.targets, strict=True):
        known = {int(x[2 * i]): int(x[2 * i + 1]) - 64 for i in range(8)}
        assert len(known) == len(set(known.values())) == 8
        places = [j for j in range(64) if y[j] != UNASKED]
        assert all(j >= 16 and j % 2 == 0 for j in places)
        assert {int(x[j]): int(y[j]) for j in places} == known


def test_mqar_prefers_near_places_as_its_power_law_does() -> None:
    drawn = Mqar().draw(rng(0), 6000, "train")
    asked = (drawn.targets[:, 16::2] != UNASKED).mean(0)
    p = np.arange(1, 25) ** -0.99
    generator = rng(1)
    expected = np.zeros(24)
    for _ in range(6000):  # the definition: a draw without replacement, one after the other
        expected[generator.choice(24, size=8, replace=False, p=p / p.sum())] += 1 / 6000
    assert asked == pytest.approx(expected, abs=0.04)


def evaluated(symbols: list[int]) -> int:
    """Evaluate an expression with a stack, as its definition says."""
    stack: list[list[int]] = [[]]
    for symbol in symbols:
        if FIRST_OPERATOR <= symbol < CLOSE:
            stack.append([symbol - FIRST_OPERATOR])
        elif symbol == CLOSE:
            operator, *digits = stack.pop()
            stack[-1].append(
                [np.min, np.max, lambda d: int(np.median(d)), lambda d: np.sum(d) % 10][operator](digits)  # type: ignore[operator]
            )
        else:
            stack[-1].append(symbol - 1)
    [[found]] = stack
    return int(found)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([32, 64, 128]))
def test_listops_states_the_value_of_its_expression(seed: int, n: int) -> None:
    drawn = ListOps(n).draw(rng(seed), 3, "train")
    for x, y in zip(drawn.inputs, drawn.targets, strict=True):
        symbols = [int(symbol) for symbol in x[1:] if symbol != BLANK]
        assert x[0] == START
        assert n / 4 < len(symbols) <= n - 1
        assert (x[1 + len(symbols) :] == BLANK).all()
        assert evaluated(symbols) == y


def test_random_expressions_of_listops_are_those_of_long_range_arena() -> None:
    """There, an operator at depth 10 is a digit, and the rest is drawn as here: n(d) = 2 + 6 (3/4 + n(d + 1) / 4)."""
    task, generator = ListOps(8192), rng(0)
    lengths, depths = [], []
    for _ in range(3000):
        written: list[int] = []
        task.write(generator, written, 1)
        lengths.append(len(written))
        nesting = np.cumsum([(FIRST_OPERATOR <= each < CLOSE) - (each == CLOSE) for each in written])
        depths.append(int(nesting.max()))
    expected = 2 + 6.0
    for _ in range(8):
        expected = 2 + 6 * (3 / 4 + expected / 4)
    assert max(depths) == 9
    assert np.mean(lengths) == pytest.approx(expected, rel=0.15)


@given(st.integers(0, 3), st.lists(st.integers(0, 9), min_size=1, max_size=10))
def test_the_operators_of_listops(operator: int, digits: list[int]) -> None:
    assert operator_value(operator, digits) == evaluated(
        [FIRST_OPERATOR + operator, *(digit + 1 for digit in digits), CLOSE]
    )


@given(SEEDS)
def test_the_noise_of_mnist1d_is_smoothed_as_by_scipy(seed: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy")
    noise = rng(seed).standard_normal(72)
    assert smoothed(noise) == pytest.approx(ndimage.gaussian_filter1d(noise, 2.0), abs=1e-12)


@given(SEEDS, st.integers(20, 80), st.integers(20, 80))
def test_series_are_resampled_by_straight_lines(seed: int, have: int, want: int) -> None:
    x = rng(seed).standard_normal(have)
    found = _resampled(x, want)
    for j in range(want):
        at = j * (have - 1) / (want - 1)
        low = min(int(at), have - 2)
        assert found[j] == pytest.approx(x[low] + (at - low) * (x[low + 1] - x[low]), abs=1e-9)


def test_mnist1d_has_ten_classes_alike_and_series_of_unit_scale() -> None:
    drawn = Mnist1d().draw(rng(0), 3000, "train")
    assert np.bincount(drawn.targets) == pytest.approx(np.full(10, 300), rel=0.25)
    assert drawn.inputs.mean() == pytest.approx(0, abs=0.1)
    assert drawn.inputs.std() == pytest.approx(1, abs=0.05)
    assert outlines()[:, 0] == pytest.approx(np.zeros(10))
    # Neighbours are alike: this is what makes the task smooth.
    x = drawn.inputs[..., 0]
    assert np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1] > 0.7


@pytest.mark.parametrize("name", ["masked-photo", "masked-bytes"])
def test_masked_tasks_ask_for_what_they_hide_and_show_the_rest(name: str) -> None:
    task = loaded(name)
    n, mask = task.seq_len, task.facts.classes
    drawn = task.draw(rng(0), 50, "test")
    hidden = drawn.targets != UNASKED
    assert (hidden.sum(1) == round(0.15 * n)).all()
    assert ((drawn.inputs == mask) == hidden).all()
    assert 0.8 < hidden.mean(0).std() / np.sqrt(0.15 * 0.85 / 50) < 1.25  # any place alike


def test_a_python_without_its_sources_has_no_masked_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    (tmp_path / "abc.py").write_text("pass\n")
    sources.cache_clear()
    try:
        with pytest.raises(UnavailableError, match="has too few"):
            TASKS["masked-bytes"].load()()
    finally:
        sources.cache_clear()


def test_what_one_build_of_python_writes_is_no_material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    for number in range(60):
        (tmp_path / f"module{number}.py").write_text("a" * (1 << 16))
    for name in ("_sysconfigdata__linux_x86_64-linux-gnu", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("b" * 100)
    sources.cache_clear()
    try:
        assert {byte for text in sources().values() for byte in np.unique(text)} == {ord("a")}
    finally:
        sources.cache_clear()


def test_no_source_file_is_in_two_splits_and_every_split_has_some() -> None:
    texts = sources()
    assert min(len(text) for text in texts.values()) > 1 << 16
    counts = np.unique([split_of(f"module{i}.py") for i in range(3000)], return_counts=True)
    assert dict(zip(counts[0], counts[1] / 3000, strict=True)) == pytest.approx(
        {"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.03
    )


def test_the_circles_of_pathfinder_are_at_the_ends_of_one_path_or_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = iter([4, 9, 14, 19, 24] * 2)
    monkeypatch.setattr(
        Pathfinder, "path", lambda *_: [(float(row), float(3 + c)) for row in [next(rows)] for c in range(25)]
    )
    of_one, of_two = [{(4, 3), (4, 27)}, {(9, 3), (9, 27)}], [{(4, 3), (9, 27)}, {(4, 27), (9, 3)}]
    for joined, ends in ((True, of_one), (False, of_two)):
        picture = Pathfinder().picture(rng(0), joined)
        centres = {(r, c) for r in range(1, 31) for c in range(1, 31) if picture[r - 1 : r + 2, c - 1 : c + 2].all()}
        assert centres in ends
        assert [picture[4, c] for c in range(5, 26)] == [float((c - 3) % 5 < 3) for c in range(5, 26)]


def test_how_far_apart_the_circles_of_pathfinder_are_says_nothing() -> None:
    task, generator = Pathfinder(), rng(3)
    layouts = [task.layout(generator) for _ in range(150)]
    distances = np.array([(math.dist(*of_one), math.dist(*of_two)) for _, of_one, of_two in layouts])
    assert (np.abs(distances[:, 0] - distances[:, 1]) <= 2).all()
    thresholds = np.unique(distances)
    below = [(distances[:, answer] < thresholds[:, None]).mean(1) for answer in (0, 1)]
    assert 0.5 + np.abs(below[0] - below[1]).max() / 2 < 0.55  # the share of right answers by the best threshold
    for paths, of_one, of_two in layouts:
        ends = [{path[0], path[-1]} for path in paths[:2]]
        assert set(of_one) in ends
        assert [len(set(of_two) & both) for both in ends] == [1, 1]


def test_paths_of_pathfinder_stay_apart_and_answers_are_balanced() -> None:
    task, generator = Pathfinder(), rng(5)
    first = task.path(generator, 20, [])
    assert first is not None
    second = task.path(generator, 20, [first])
    assert second is not None
    assert min(np.hypot(a - c, b - d) for a, b in first for c, d in second) >= 3
    answers: Examples = task.draw(rng(1), 60, "train")
    assert 15 < answers.targets.sum() < 45
