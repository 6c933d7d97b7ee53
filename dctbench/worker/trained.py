"""Measure a case that has a task: train, test, and tell apart the ways in which a training can fail.

A crash and a loss that is not finite are errors with the step. A layer whose output is the same for every input gets a
warning, since its model may still have learned what needs no attention. A layer that reads the answers instead of its
input is refused, and so is an accuracy that the task does not allow.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dctbench import catalog
from dctbench.attention import build, takes_seed
from dctbench.catalog.tasks import task as task_entry
from dctbench.errors import DctbenchError, UnsupportedError, UsageError, text_of
from dctbench.model import Case, CaseWarning, ResultDetails, TaskFacts, TaskName, WarningCode
from dctbench.model.task import PROBE_SHARE, RATES
from dctbench.model.training import TrainingFailure
from dctbench.protocol import CaseReply
from dctbench.tasks import Task
from dctbench.tasks.model import FEED_FORWARD, LAYERS, TaskModel, seeded
from dctbench.tasks.seeding import data_generator, weight_generator
from dctbench.worker.collected import Collected
from dctbench.worker.devices import DeviceModule
from dctbench.worker.metrics import memory
from dctbench.worker.training import CrashedError, DivergedError, Tested, Trainer
from dctbench.worker.workload import planner_options

_TRACEBACK = 20_000
_READS_ANSWERS = 0.1
"""The share of wrong answers, planted beside the inputs, that a layer must repeat to be refused."""
_DEVIATIONS = 5.0
"""An accuracy may exceed what its task allows by this many standard deviations, since answers are counted."""


class CheatsError(DctbenchError):
    """A method that has more right answers than its inputs allow."""


def train_case(case: Case, device: DeviceModule, seed: int) -> CaseReply:
    """Train and test the case in this process.

    Args:
        case: with a task.
        device: the module of its device's kind.
        seed: of weights, data and order: the number of the round.

    Raises:
        UsageError, UnsupportedError, UnavailableError: from the task or the implementation, for what it refuses.
        CheatsError: for a layer that reads the answers, and for an accuracy that the task does not allow.
    """
    device.use(case.device)
    torch.set_num_threads(case.threads or 1)
    collected = Collected()
    name, task = _task(case)
    options = layer_options(case)
    trainer = Trainer(
        task=task,
        steps=task.facts.full_steps(name),
        batch=case.batch,
        seed=seed,
        device=case.device,
        make=lambda: make_model(case, seed),
        clock=process_time if case.device_kind == "cpu" else perf_counter,
    )
    trainer.record = replace(trainer.record, layers=LAYERS, feed_forward=FEED_FORWARD, options=options)
    make_model(case, seed)  # what the layer refuses is no crash of a training
    try:
        rate = trainer.choose_rate()
        model, seconds = trainer.train_in_full(rate)
    except DivergedError as error:
        return _failed(trainer, error.message, "diverged", error)
    except CrashedError as error:
        if isinstance(error.cause, UnsupportedError) or device.out_of_memory(error.cause) is not None:
            raise error.cause from None
        return _failed(trainer, _crash(error), "crashed", error)
    with _outputs(model) as outputs:
        tested, logits = trainer.test(model)
    _refuse_too_good(task.facts, tested)
    _refuse_readers_of_answers(trainer, model, logits)
    if not any(outputs.values()):
        collected.warnings.append(CaseWarning(WarningCode.NO_EFFECT))
    collected.add(catalog.ACCURACY, tested.accuracy)
    for number, part in enumerate(task.facts.slices):
        if number in tested.by_slice:
            collected.add(f"{catalog.ACCURACY}.{part}", tested.by_slice[number], unit="1")
    collected.add("loss", tested.loss)
    collected.add("train.seconds", seconds)
    collected.add("memory.state", memory.state_bytes(model))
    with collected.attempt("memory.tensor"):
        step = _one_step(trainer, model, rate)
        collected.add("memory.tensor", device.peak_tensor_bytes(case.device, step))
    record = replace(trainer.record, answers=tested.answers, parameters=sum(p.numel() for p in model.parameters()))
    collected.details |= ResultDetails(training=record, threads=torch.get_num_threads(), inputs=f"{name}, seed {seed}")
    collected.details |= device.describe(case.device)
    return collected.reply()


def training_flops(case: Case) -> int | None:
    """Return the FLOPs of the forward passes of a whole training with its probes, or None if the method states none."""
    try:
        name, task = _task(case)
        model = make_model(case, 0, device="meta")
        steps = task.facts.full_steps(name)
        return int(model.flops(case.batch) * steps * (1 + len(RATES) / PROBE_SHARE))
    except Exception:  # an estimate must not stop a plan; training the case shows the error
        return None


def task_facts(base: str) -> TaskFacts:
    """Return the facts of a task, which only its class knows if it is none of dctbench's.

    Raises:
        UsageError: for a class that cannot be imported, or is no task.
    """
    facts = getattr(task_entry(base).load(), "facts", None)
    if not isinstance(facts, TaskFacts):
        raise UsageError(f"{base} is not a task: it has no facts", hint="see docs/adding-a-task.md")
    return facts


def layer_options(case: Case) -> dict[str, int]:
    """Return the options with which a method is trained: the convolution that its paper has."""
    convolution = catalog.implementation(case.implementation).convolution
    return {} if convolution is None else {"convolution": convolution}


def make_model(case: Case, seed: int, device: str | None = None) -> TaskModel:
    """Return the model of a case with the weights of a seed.

    Args:
        case: with a task.
        seed: of the round.
        device: where to build it; the device of the case when None.
    """
    name, task = _task(case)
    dtype, place = getattr(torch, case.dtype), device or case.device
    order = torch.randperm(case.seq_len, generator=weight_generator(seed, "order")) if name.scrambled else None
    # The rates that are shipped: a plan of one machine's own would round otherwise than that of another.
    options = planner_options(case, None) | layer_options(case)
    seeded_features = takes_seed(case.implementation)

    def layer(features: int) -> nn.Module:
        return build(
            case.implementation, seq_len=case.seq_len, dim=case.dim, heads=case.heads, ratio=case.ratio,
            kept=case.kept, dtype=dtype, device=place, **options, **({"seed": features} if seeded_features else {}),
        )  # fmt: skip

    def model(attention: Callable[[], nn.Module]) -> TaskModel:
        return TaskModel(
            attention, task.facts, seq_len=case.seq_len, dim=case.dim, order=order, dtype=dtype, device=place
        )

    return seeded(model, layer, seed)


def _task(case: Case) -> tuple[TaskName, Task]:
    """Return the name of the task and the task itself, at the length of the case."""
    assert case.task is not None
    if (case.scope, case.mode, case.engine, case.dtype) != ("encoder", "train", "eager", "float32"):
        raise UnsupportedError("a task trains an encoder, engine eager, in float32")
    name = TaskName.parse(case.task)
    loaded = task_entry(name.base).load()
    try:
        task = loaded(case.seq_len, name.variants)
    except TypeError as error:
        raise UsageError(f"{name.base} is not a task: {text_of(error)}", hint="see docs/adding-a-task.md") from error
    if not isinstance(getattr(task, "facts", None), TaskFacts) or not callable(getattr(task, "draw", None)):
        raise UsageError(f"{name.base} is not a task: it lacks facts or draw", hint="see docs/adding-a-task.md")
    return name, task


def _failed(trainer: Trainer, message: str, failure: TrainingFailure, error: CrashedError | DivergedError) -> CaseReply:
    record = replace(trainer.record, failure=failure, failed_step=error.step, failed_rate=error.rate)
    cause = error.__cause__
    text = None if cause is None else "".join(traceback.format_exception(cause))[-_TRACEBACK:]
    return CaseReply("error", message=message, details=ResultDetails(training=record, traceback=text).to_json())


def _crash(error: CrashedError) -> str:
    """`RuntimeError: broken (layer.py:7) at step 100, rate 0.001`."""
    frame = traceback.extract_tb(error.cause.__traceback__)[-1]
    text = " ".join(text_of(error.cause).split())[:500]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"{type(error.cause).__name__}: {text} ({where}) at step {error.step}, rate {error.rate:g}"


@contextmanager
def _outputs(model: TaskModel) -> Iterator[dict[int, bool]]:
    """While the model computes, note for each attention layer whether its output ever differs between two places."""
    varies = dict.fromkeys(range(len(model.attentions)), False)

    def watch(number: int) -> Callable[..., None]:
        def note(module: nn.Module, inputs: object, output: Tensor) -> None:
            rows = output.flatten(0, -2)
            varies[number] |= bool((rows != rows[:1]).any())

        return note

    handles = [layer.register_forward_hook(watch(number)) for number, layer in enumerate(model.attentions)]
    try:
        yield varies
    finally:
        for handle in handles:
            handle.remove()


def _refuse_too_good(facts: TaskFacts, tested: Tested) -> None:
    most = facts.ceiling
    spread = math.sqrt(max(most * (1 - most), 1e-12) / tested.answers)
    if tested.accuracy > most + _DEVIATIONS * spread + 1e-9:
        raise CheatsError(
            f"its accuracy is {tested.accuracy:.3f}, and the task allows at most {most:.3f}: "
            "it has seen the answers, or the task states a wrong ceiling"
        )


def _refuse_readers_of_answers(trainer: Trainer, model: TaskModel, logits: Tensor) -> None:
    """Plant wrong answers where a training has the right ones, and refuse a model that repeats them.

    Raises:
        CheatsError: when the output of the model depends on more than its input.
    """
    inputs = trainer.examples("test").inputs[: trainer.batch]
    plain = logits[: trainer.batch].argmax(-1)
    wrong = (plain + 1) % logits.shape[-1]
    again = trainer.answers(model, inputs).argmax(-1)
    answers = _answers_beside(trainer, model, inputs, wrong)
    repeated = (answers == wrong).double().mean().item() - (again == wrong).double().mean().item()
    if repeated > _READS_ANSWERS:
        raise CheatsError(
            f"it repeats {repeated:.0%} of wrong answers that were planted beside its input: its output depends on "
            "more than its input"
        )


def _answers_beside(trainer: Trainer, model: TaskModel, inputs: NDArray[Any], targets: Tensor) -> Tensor:
    """Return the answers of the model while `targets` stand where `Trainer.step` has them: that is their only use."""
    return trainer.answers(model, inputs).argmax(-1)


def _one_step(trainer: Trainer, model: TaskModel, rate: float) -> Callable[[], object]:
    examples = trainer.task.draw(data_generator(trainer.seed, "memory"), trainer.batch, "train")
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    trainer.step(model, optimizer, examples)  # the states of the optimizer exist from the first step on
    return lambda: trainer.step(model, optimizer, examples)
