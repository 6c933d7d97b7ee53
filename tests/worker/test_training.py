"""Trainings: reproducible, paired between methods, and every way to fail is told apart from the others."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from dctbench.catalog import DEVICES
from dctbench.errors import UnsupportedError
from dctbench.model import Case, ResultDetails, Training
from dctbench.protocol import CaseReply, MeasureRequest
from dctbench.tasks import UNASKED, Examples
from dctbench.transforms import TruncatedDct, plan_dct
from dctbench.worker import training
from dctbench.worker.serve import measure
from dctbench.worker.trained import CheatsError, make_model, train_case, training_flops
from tests.support import own_tasks

OWN = "tests.support.own_tasks"
FIRST = Case(f"{OWN}:Layer", 8, batch=8, heads=2, head_dim=8, scope="encoder", mode="train", task=f"{OWN}:First")


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """A training sets the threads of its process, which is this one here."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def reply(case: Case, seed: int = 1) -> CaseReply:
    return measure(MeasureRequest(case, seed=seed))


def record(answer: CaseReply) -> Training:
    found = ResultDetails.from_json(answer.details).training
    assert found is not None
    return found


def figures(answer: CaseReply) -> dict[str, Any]:
    return {one.metric: one.samples for one in answer.measurements if one.metric != "train.seconds"}


def test_a_training_stores_accuracy_by_slice_how_its_rate_was_chosen_and_its_curve() -> None:
    answer = reply(FIRST)
    assert answer.status == "ok"
    found, measured = record(answer), figures(answer)
    assert set(measured) == {"accuracy", "accuracy.low", "accuracy.high", "loss", "memory.state", "memory.tensor"}
    assert (found.seed, found.steps, found.probe_steps, found.layers) == (1, 24, 6, 2)
    assert [probe.rate for probe in found.probes] == [1e-3, 3e-3, 1e-2, 3e-2]
    best = max(found.probes, key=lambda probe: (probe.accuracy or 0, -probe.rate))
    assert found.rate == best.rate
    assert found.at_edge == (best.rate in (1e-3, 3e-2))
    assert [point.step for point in found.curve] == list(range(3, 25, 3))
    assert all(point.loss > 0 and 0 <= point.accuracy <= 1 for point in found.curve)
    assert (found.answers, found.test_examples, found.failure) == (48 * 8, 48, None)
    assert found.parameters == sum(p.numel() for p in make_model(FIRST, 1).parameters())


@pytest.mark.parametrize(
    ("accuracies", "rate"),
    [((0.25, 0.30, 0.26, 0.24), 1e-2), ((0.25, 0.9, 0.26, 0.9), 3e-3), ((0.3, 0.37, 0.3, 0.3), 3e-3)],
)
def test_the_loss_chooses_the_rate_while_no_accuracy_is_more_than_a_guess(
    monkeypatch: pytest.MonkeyPatch, accuracies: tuple[float, ...], rate: float
) -> None:
    """384 answers with a chance of 0.25 have a standard error of 0.022: 0.36 is surely more, 0.30 is not."""
    probes = iter([training.Tested(*pair, {}, 384) for pair in zip(accuracies, (1.4, 1.39, 1.2, 1.3), strict=True)])
    monkeypatch.setattr(training.Trainer, "train", lambda *_: iter(()))
    monkeypatch.setattr(training.Trainer, "validate", lambda *_: next(probes))
    trainer = training.Trainer(own_tasks.First(), 24, 8, 1, "cpu", lambda: make_model(FIRST, 1))
    assert trainer.choose_rate() == rate
    found = replace(trainer.record, answers=384)
    assert found.chosen_blindly(0.25) == (max(accuracies) < 0.36)
    assert [probe.accuracy for probe in found.probes] == list(accuracies)


def test_the_same_seed_gives_the_same_figures_bit_by_bit_and_another_seed_others() -> None:
    first, again, other = (figures(reply(FIRST, seed)) for seed in (3, 3, 4))
    learned = ["accuracy", "accuracy.low", "accuracy.high", "loss"]
    assert [first[name] for name in learned] == [again[name] for name in learned]
    assert first["loss"] != other["loss"]


@pytest.mark.parametrize(
    ("layer", "status", "said", "failure", "step"),
    [
        ("Crash", "error", "RuntimeError: broken on purpose (own_tasks.py:", "crashed", 3),
        ("Diverges", "error", "diverged at step 1: its loss is not finite", "diverged", 1),
        ("NeverInverted", "error", "diverged at step 1: LinAlgError: linalg.inv: ", "diverged", 1),
    ],
)
def test_a_crash_and_a_divergence_are_errors_with_their_step(
    layer: str, status: str, said: str, failure: str, step: int
) -> None:
    answer = reply(replace(FIRST, implementation=f"{OWN}:{layer}"))
    assert answer.status == status
    assert answer.message is not None
    assert said in answer.message
    found = record(answer)
    assert (found.failure, found.failed_step, found.failed_rate is not None) == (failure, step, True)
    assert not answer.measurements


def test_a_rate_at_which_the_layer_cannot_compute_with_its_numbers_fails_alone() -> None:
    answer = reply(replace(FIRST, implementation=f"{OWN}:Singular"))
    assert answer.status == "ok", answer.message
    found = record(answer)
    assert {probe.rate for probe in found.probes if probe.accuracy is None} == {3e-2}
    assert found.rate != 3e-2


def test_a_layer_that_puts_out_zero_has_an_accuracy_and_a_warning() -> None:
    answer = reply(replace(FIRST, implementation=f"{OWN}:Zero"))
    assert answer.status == "ok"
    assert [warning.code for warning in answer.warnings if not isinstance(warning, str)] == ["no_effect"]
    assert figures(answer)["accuracy"][0] < 0.5
    assert not reply(FIRST).warnings


def test_a_layer_that_reads_the_answers_is_refused_and_gains_nothing_on_the_test() -> None:
    cheat = replace(FIRST, implementation=f"{OWN}:ReadsAnswers")
    answer = reply(cheat)
    assert answer.status == "error"
    assert answer.message is not None
    assert "its output depends on more than its input" in answer.message
    with pytest.raises(CheatsError):
        train_case(cheat, DEVICES["cpu"].load(), 1)


def test_an_accuracy_above_what_the_task_allows_is_refused() -> None:
    leaked = reply(replace(FIRST, task=f"{OWN}:Leaked/4x"))
    assert leaked.status == "error"
    assert leaked.message is not None
    assert "the task allows at most 0.250" in leaked.message
    assert reply(replace(FIRST, task=f"{OWN}:Guess")).status == "ok"


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"task": f"{OWN}:Layer"}, "error", "is not a task"),
        ({"task": f"{OWN}:First/sideways"}, "error", "has no variant 'sideways'"),
        ({"task": f"{OWN}:Absent"}, "error", "has no 'Absent'"),
        ({"dtype": "float16"}, "unsupported", "in float32"),
        ({"scope": "layer"}, "unsupported", "a task trains an encoder"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(change: dict[str, Any], status: str, said: str) -> None:
    answer = reply(replace(FIRST, **change))
    assert answer.status == status
    assert answer.message is not None
    assert said in answer.message


def test_methods_share_their_weights_and_a_method_has_its_own_for_each_seed() -> None:
    case = Case("sdpa", 16, batch=2, heads=2, head_dim=8, scope="encoder", mode="train", task="acuity")
    models = {name: make_model(replace(case, implementation=name, ratio=ratio), 5).state_dict()
              for name, ratio in (("sdpa", None), ("linformer", 4), ("delta-net", None), ("none", None))}  # fmt: skip
    sdpa = models["sdpa"]
    for name, other in models.items():
        shared = sdpa.keys() & other.keys()
        assert {"embedding.weight", "head.weight", "blocks.1.attention.v_proj.weight"} <= shared
        assert all(torch.equal(sdpa[key], other[key]) for key in shared), name
    first, second = (models["linformer"][f"blocks.{i}.attention.E"] for i in range(2))
    assert not torch.equal(first, second)
    again = make_model(replace(case, implementation="linformer", ratio=4), 5).state_dict()
    assert all(torch.equal(again[key], value) for key, value in models["linformer"].items())
    assert not torch.equal(make_model(case, 6).state_dict()["head.weight"], sdpa["head.weight"])
    assert models["delta-net"]["blocks.0.attention.convolutions.0.weight"].shape[-1] == 4  # as in its paper


@pytest.mark.parametrize(("name", "drawn", "ratio"), [("performer", "omega", 4), ("reformer", "rotations", None)])
def test_what_a_method_draws_and_does_not_learn_differs_between_seeds_and_between_blocks(
    name: str, drawn: str, ratio: float | None
) -> None:
    case = Case(name, 64, ratio, batch=2, heads=2, head_dim=8, scope="encoder", mode="train", task="acuity")
    found = [model.blocks[block].get_buffer(f"attention.{drawn}")
             for model in (make_model(case, 1), make_model(case, 2)) for block in range(2)]  # fmt: skip
    assert len({tuple(one.flatten().tolist()) for one in found}) == 4
    assert torch.equal(make_model(case, 2).blocks[1].get_buffer(f"attention.{drawn}"), found[3])


@pytest.mark.parametrize("batch", [1, 64])
def test_a_transform_is_planned_for_the_batch_that_is_trained(batch: int) -> None:
    case = Case("dct-x", 256, 4, batch=batch, heads=1, head_dim=64, scope="encoder", mode="train", task="acuity")
    plans = {each: str(plan_dct(256, 64, 64, batch=each)) for each in (1, 64)}
    assert plans[1] != plans[64]
    transforms = [layer.get_submodule("transform") for layer in make_model(case, 1).attentions]
    assert [one.plan for one in transforms if isinstance(one, TruncatedDct)] == [plans[batch]] * 2


def test_exact_attention_cannot_tell_a_scrambled_sequence_and_the_dct_can() -> None:
    inputs = torch.randint(8, (4, 64), generator=torch.Generator().manual_seed(0))
    for name, ratio, same in (("sdpa", None, True), ("dct-x", 4, False)):
        case = Case(name, 64, ratio, heads=2, head_dim=8, scope="encoder", mode="train", task="acuity")
        with torch.no_grad():
            ordered, scrambled = (
                make_model(replace(case, task=task), 1)(inputs) for task in ("acuity", "acuity/scrambled")
            )
        assert bool((ordered - scrambled).abs().max() < 1e-5) is same


def test_the_rate_rises_over_a_tenth_of_the_steps_and_falls_as_a_cosine() -> None:
    rates = [training.schedule(step, 200) for step in range(1, 201)]
    assert rates[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert rates[20:] == pytest.approx([(1 + math.cos(math.pi * k / 180)) / 2 for k in range(1, 181)])
    assert [training.schedule(1, 1)] == [1.0]


def test_a_score_counts_what_is_asked_and_slices_count_alone() -> None:
    rng = np.random.default_rng(0)
    logits, targets, slices = rng.standard_normal((6, 5, 3)), rng.integers(-1, 3, (6, 5)), np.array([0, 0, 1, 1, 2, 2])
    found = training.scored(torch.from_numpy(logits), Examples(np.zeros((6, 5), np.int64), targets, slices))
    asked = [(i, j) for i in range(6) for j in range(5) if targets[i, j] != UNASKED]
    right = {(i, j): logits[i, j].argmax() == targets[i, j] for i, j in asked}
    assert found.answers == len(asked)
    assert found.accuracy == pytest.approx(sum(right.values()) / len(asked))
    for number in range(3):
        own = [value for (i, _), value in right.items() if slices[i] == number]
        assert found.by_slice[number] == pytest.approx(sum(own) / len(own))
    losses = [np.log(np.exp(logits[i, j]).sum()) - logits[i, j, targets[i, j]] for i, j in asked]
    assert found.loss == pytest.approx(np.mean(losses))


def test_a_fixed_training_set_is_gone_through_before_anything_is_seen_again() -> None:
    class Fixed(own_tasks.First):
        facts = replace(own_tasks.First.facts, train_examples=20)

    trainer = training.Trainer(Fixed(), 10, 8, 1, "cpu", lambda: make_model(FIRST, 1))
    batches = trainer.batches()
    rows = np.concatenate([next(batches).inputs for _ in range(5)])
    once = np.unique(rows[:20], axis=0)
    assert len(np.unique(rows, axis=0)) == len(once)
    again = trainer.batches()
    assert np.array_equal(np.concatenate([next(again).inputs for _ in range(5)]), rows)


def test_the_answers_of_the_test_do_not_exist_while_the_model_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[Any]] = []
    drawn = own_tasks.First.draw

    def draw(self: Any, rng: Any, count: int, split: Any) -> Examples:
        examples = drawn(self, rng, count, split)
        if split == "test":
            alive.append(weakref.ref(examples.targets))
        return examples

    monkeypatch.setattr(own_tasks.First, "draw", draw)
    trainer = training.Trainer(own_tasks.First(), 4, 8, 1, "cpu", lambda: make_model(FIRST, 1))
    model = trainer.make()
    seen = []
    model.register_forward_hook(lambda *_: seen.append([ref() is not None for ref in alive]))
    trainer.test(model)
    assert seen
    assert not any(any(each) for each in seen)


def test_a_plan_knows_the_work_of_a_whole_training() -> None:
    case = Case("sdpa", 64, batch=32, heads=4, head_dim=16, scope="encoder", mode="train", task="acuity")
    layer = 32 * (8 * 64 * 64**2 + 4 * 64**2 * 64)
    assert training_flops(case) == 2 * (layer + 4 * 32 * 64 * 64 * 128) * 400 * 2
    assert training_flops(replace(case, task="acuity/4x")) == 4 * (training_flops(case) or 0)
    assert training_flops(FIRST) is None  # a layer that states no FLOPs


def test_what_a_task_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedError, match="recall needs a length"):
        make_model(replace(FIRST, task="recall"), 1)
    with pytest.raises(UnsupportedError):
        make_model(replace(FIRST, engine="compile"), 1)
