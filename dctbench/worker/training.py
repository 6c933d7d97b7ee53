"""Train one model on one task with one seed: choose the rate, train in full, and test.

Every rate of the grid gets a quarter of the steps, and the best on validation data trains in full. The test has no part
in this. A training uses one thread, so that as many run side by side as there are cores, and gives the same figures bit
by bit on the same CPU. On a GPU some sums of gradients have no fixed order, so figures may differ a little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from dctbench.errors import DctbenchError, text_of
from dctbench.model import CurvePoint, Probe, Training
from dctbench.model.task import PROBE_SHARE, RATES
from dctbench.model.training import VALIDATION_EXAMPLES, surely_above
from dctbench.tasks import UNASKED, Examples, Split, Task
from dctbench.tasks.model import TaskModel
from dctbench.tasks.seeding import data_generator

WARM_UP = 0.1
"""The share of the steps in which the rate rises to its value; it then falls to zero as a cosine."""
BETAS, WEIGHT_DECAY, LARGEST_GRADIENT = (0.9, 0.98), 0.01, 1.0
CURVE_POINTS = 8


class CrashedError(DctbenchError):
    """The model raised an error at a step of a training."""

    def __init__(self, step: int, rate: float, cause: BaseException) -> None:
        super().__init__(f"crashed at step {step}")
        self.step, self.rate, self.cause = step, rate, cause


class DivergedError(DctbenchError):
    """The loss of a training was no longer finite, or the layer could not compute with its numbers (`cause`)."""

    def __init__(self, step: int, rate: float, cause: BaseException | None = None) -> None:
        why = (
            "its loss is not finite" if cause is None else f"{type(cause).__name__.lstrip('_')}: {text_of(cause)[:300]}"
        )
        super().__init__(f"diverged at step {step}: {why}")
        self.step, self.rate = step, rate


NUMERICAL_ERRORS = (torch.linalg.LinAlgError, ArithmeticError)  # type: ignore[attr-defined]
"""What a layer raises because of its numbers, such as for a matrix without an inverse. A smaller rate may avoid it."""


@contextmanager
def told_apart(step: int, rate: float) -> Iterator[None]:
    """Raise what a model raises at a step as a divergence if it is due to its numbers, and else as a crash.

    Raises:
        CrashedError, DivergedError: from what was raised.
    """
    try:
        yield
    except NUMERICAL_ERRORS as error:
        raise DivergedError(step, rate, error) from error
    except Exception as error:
        raise CrashedError(step, rate, error) from error


@dataclass(frozen=True, slots=True)
class Tested:
    """What a trained model does on a test.

    Attributes:
        accuracy: the share of right answers.
        loss: mean cross-entropy in nats.
        by_slice: accuracy by the number of the slice.
        answers: how many there are.
    """

    accuracy: float
    loss: float
    by_slice: dict[int, float]
    answers: int


@dataclass(slots=True)
class Trainer:
    """Trains models on one task with one seed.

    Attributes:
        task: what is learned.
        steps: of a full training.
        batch: sequences per step.
        seed: of the round.
        device: where the model is.
        make: returns a new model with the weights of the seed.
        clock: seconds of the work of this process. A process on a CPU is billed for its one thread only, since other
            trainings run beside it.
        rates: the grid.
    """

    task: Task
    steps: int
    batch: int
    seed: int
    device: str
    make: Callable[[], TaskModel]
    clock: Callable[[], float] = perf_counter
    rates: tuple[float, ...] = RATES
    record: Training = field(init=False)
    _validation: Examples | None = None

    def __post_init__(self) -> None:
        facts = self.task.facts
        self.record = Training(
            seed=self.seed, steps=self.steps, probe_steps=self.probe_steps, test_examples=facts.test_examples,
            train_examples=facts.train_examples, floor=facts.floor, guess=facts.guess,
        )  # fmt: skip

    @property
    def probe_steps(self) -> int:
        """Steps of a probe."""
        return max(1, self.steps // PROBE_SHARE)

    def choose_rate(self) -> float:
        """Train with every rate for a quarter of the steps, and return the rate that is best on validation data.

        The accuracy counts, or the loss while no rate does better than a guess: accuracies then differ by chance alone.
        Of equally good rates the smaller one wins. What was found is added to the record.

        Raises:
            CrashedError: when the model raises an error.
            DivergedError: when every rate diverges.
        """
        tested: dict[float, Tested | None] = {}
        last: DivergedError | None = None
        for rate in self.rates:
            try:
                model = self.make()
                for _ in self.train(model, rate, self.probe_steps):
                    pass
                with told_apart(self.probe_steps, rate):
                    tested[rate] = self.validate(model)
            except DivergedError as diverged:
                last = diverged
                tested[rate] = None
        probes = tuple(Probe(rate, None if one is None else one.accuracy) for rate, one in tested.items())
        self.record = replace(self.record, probes=probes)
        ended = {rate: one for rate, one in tested.items() if one is not None}
        if last is not None and not ended:
            raise last
        rate = self._best(ended)
        at_edge = len(self.rates) > 1 and rate in (self.rates[0], self.rates[-1])
        self.record = replace(self.record, rate=rate, at_edge=at_edge)
        return rate

    def _best(self, tested: Mapping[float, Tested]) -> float:
        guess = self.task.facts.guess
        if any(surely_above(one.accuracy, guess, one.answers) for one in tested.values()):
            return max(tested, key=lambda rate: (tested[rate].accuracy, -rate))
        return min(tested, key=lambda rate: (not math.isfinite(tested[rate].loss), tested[rate].loss, rate))

    def train_in_full(self, rate: float) -> tuple[TaskModel, float]:
        """Return a model that was trained in full, and the seconds that its steps took. The curve goes to the record.

        Raises:
            CrashedError, DivergedError: when the training does not end well.
        """
        model = self.make()
        points = max(1, self.steps // CURVE_POINTS)
        losses: list[float] = []
        seconds, began = 0.0, self.clock()
        for step, loss in self.train(model, rate, self.steps):
            losses.append(loss)
            if step % points == 0 or step == self.steps:
                seconds += self.clock() - began
                with told_apart(step, rate):
                    accuracy = self.validate(model).accuracy
                point = CurvePoint(step, math.fsum(losses) / len(losses), accuracy)
                self.record = replace(self.record, curve=(*self.record.curve, point))
                losses.clear()
                began = self.clock()
        return model, seconds

    def train(self, model: TaskModel, rate: float, steps: int) -> Iterator[tuple[int, float]]:
        """Train a model in place. After each step, yield its number, from 1, and its loss."""
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=rate, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=self.device == "cpu"
        )
        batches = self.batches()
        model.train()
        for step in range(1, steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = rate * schedule(step, steps)
            examples = next(batches)  # an error of the task is none of the model
            with told_apart(step, rate):
                loss = self.step(model, optimizer, examples)
            if not math.isfinite(loss):
                raise DivergedError(step, rate)
            yield step, loss

    def step(self, model: TaskModel, optimizer: torch.optim.Optimizer, examples: Examples) -> float:
        """Take one step, and return the loss before it."""
        targets = torch.from_numpy(examples.targets)
        logits = model(torch.from_numpy(examples.inputs).to(self.device))
        loss = cross_entropy(logits.flatten(0, -2), targets.flatten().to(self.device), ignore_index=UNASKED)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        return loss.item()

    def batches(self) -> Iterator[Examples]:
        """Yield the training batches of this seed, the same ones in the same order for every model."""
        rng = data_generator(self.seed, "train")
        size = self.task.facts.train_examples
        if size is None:
            while True:
                yield self.task.draw(rng, self.batch, "train")
        fixed = self.task.draw(rng, size, "train")
        order: NDArray[np.int64] = np.empty(0, np.int64)
        while True:
            while len(order) < self.batch:
                order = np.concatenate([order, rng.permutation(size)])
            chosen, order = order[: self.batch], order[self.batch :]
            yield Examples(fixed.inputs[chosen], fixed.targets[chosen])

    def validate(self, model: TaskModel) -> Tested:
        """Return how a model does on validation data."""
        if self._validation is None:
            self._validation = self.examples("validation")
        examples = self._validation
        logits = self.answers(model, examples.inputs)
        return scored(logits, examples)

    def examples(self, split: Split) -> Examples:
        """Return the examples of validation or test, the same ones at every call."""
        count = self.task.facts.test_examples
        if split == "validation":
            count = min(count, VALIDATION_EXAMPLES)
        return self.task.draw(data_generator(self.seed, split), count, split)

    def answers(self, model: TaskModel, inputs: NDArray[np.generic]) -> Tensor:
        """Return the logits of a model for inputs, in evaluation mode, on the CPU."""
        model.eval()
        found = []
        with torch.no_grad():
            for start in range(0, len(inputs), self.batch):
                found.append(model(torch.from_numpy(inputs[start : start + self.batch]).to(self.device)).cpu())
        model.train()
        return torch.cat(found)

    def test(self, model: TaskModel) -> tuple[Tested, Tensor]:
        """Return how a model does on the test, and its logits.

        The answers do not exist in this process while the model computes: they are drawn again afterwards.
        """
        logits = self.answers(model, self.examples("test").inputs)
        return scored(logits, self.examples("test")), logits


def schedule(step: int, steps: int) -> float:
    """Return the rate of a step, from 1 to `steps`, as a share of the highest: a linear rise, then a cosine to 0."""
    rise = max(1, round(WARM_UP * steps))
    if step <= rise:
        return step / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def scored(logits: Tensor, examples: Examples) -> Tested:
    """Compare logits (count, seq_len, classes) or (count, classes) with the answers."""
    targets = torch.from_numpy(examples.targets)
    asked = targets != UNASKED
    right = (logits.argmax(-1) == targets) & asked
    loss = cross_entropy(logits.flatten(0, -2).double(), targets.flatten(), ignore_index=UNASKED).item()
    by_slice = {}
    if examples.slices is not None:
        belongs = torch.from_numpy(examples.slices)
        for number in belongs.unique().tolist():
            chosen = belongs == number
            by_slice[int(number)] = right[chosen].sum().item() / asked[chosen].sum().item()
    answers = int(asked.sum())
    return Tested(right.sum().item() / answers, loss, by_slice, answers)
