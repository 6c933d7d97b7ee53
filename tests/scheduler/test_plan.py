"""What a plan asks of the runner, and how it spreads the time that it may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dctbench.catalog.tasks import TASKS
from dctbench.errors import UsageError
from dctbench.machine import power_meters
from dctbench.model import Case, Result, RunSettings, TaskFacts
from dctbench.protocol import ImplementationFacts, ModelFacts
from dctbench.runners import Facts
from dctbench.scheduler.estimate import estimate
from dctbench.scheduler.pace import Pace
from dctbench.scheduler.plan import Plan, make_plan, ordered, plan_cases
from dctbench.spec import grid, suites
from dctbench.spec.axes import AxisValues
from tests.support.made import result
from tests.support.scripted import Describing
from tests.support.trained import trained

SUITE = '[axes]\nimpl = "sdpa,dct-x"\nseq = "64,4096"\nratio = 8\n'


def script(case: Case, round: int) -> Result:
    return result(case.implementation, case.seq_len, 1e-3, round=round)


def describing(flops: int) -> Describing:
    return Describing(script, flops)


def test_a_plan_has_the_cases_of_its_suite_and_is_predicted_by_the_flops_that_the_runner_tells() -> None:
    few, many = describing(10**9), describing(4 * 10**9)
    plans = [make_plan(suites.parse(SUITE, "mine.toml"), runner) for runner in (few, many)]
    for plan, runner in zip(plans, (few, many), strict=True):
        assert plan.reference == "sdpa"
        assert {(case.implementation, case.seq_len) for case in plan.cases} == {
            (name, n) for name in ("sdpa", "dct-x") for n in (64, 4096)
        }
        assert [case.implementation for case in plan.cases[::2]] == ["sdpa", "sdpa"]  # first at its length
        assert runner.described == [((), plan.cases)]
    for case in plans[0].cases:
        assert plans[1].estimate.calls[case] == pytest.approx(4 * plans[0].estimate.calls[case])


@pytest.mark.parametrize("several", [False, True], ids=["here", "on nodes"])
def test_a_plan_has_time_for_the_meter_of_this_machine_and_guesses_none_of_nodes(
    monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    cases = [Case("sdpa", 512), Case("dct-x", 512, 8)]
    runner = describing(10**9)
    monkeypatch.setattr(runner, "several", several)
    seconds = []
    for meter in (0.0, 17.0):
        monkeypatch.setattr(power_meters, "pass_seconds", lambda found=meter: found)
        plan = plan_cases(cases, RunSettings(rounds=2), runner)
        seconds.append((plan.seconds, plan.least_seconds))
    (without, least_without), (with_meter, least) = seconds
    taken = 0 if several else 2 * 17
    assert with_meter - without == pytest.approx(taken)
    assert least - least_without == pytest.approx(taken)


class SideBySide(Describing):
    """Trains eight models at a time."""

    def jobs(self, case: Case) -> int:
        return 8 if case.task is not None else 1


def test_trainings_are_predicted_side_by_side_only_as_far_as_there_are_so_many() -> None:
    trainings = [trained("dct-x", [0.5], ratio=ratio)[0].case for ratio in (2, 4, 8)]
    timed = [trainings[0].layer_case]

    def jobs(cases: Sequence[Case], rounds: int) -> int:
        return plan_cases(cases, RunSettings(rounds=rounds), SideBySide(script, 10**9)).estimate.pace.jobs

    assert [jobs(trainings, rounds) for rounds in (1, 2, 3)] == [3, 6, 8]
    assert jobs([*trainings, *timed], 3) == 3  # what is timed runs alone, after the trainings of each round
    assert jobs(timed, 3) == 1


def test_a_plan_is_predicted_by_what_was_measured_before() -> None:
    case = Case("sdpa", 4096)
    stored = [result("sdpa", 4096, 0.125)]
    plan = plan_cases([case], RunSettings(rounds=2), describing(10**9), stored)
    assert plan.estimate.calls == {case: 0.125}


def test_rounds_that_are_decided_are_kept() -> None:
    cases = [Case("sdpa", 64), Case("full", 64)]
    plan = plan_cases(cases, RunSettings(rounds=9), describing(1), rounds={cases[0]: 3, cases[1]: 1})
    assert plan.rounds == {cases[0]: 3, cases[1]: 1}
    assert sorted(plan.processes, key=lambda one: (one[0].implementation, one[1])) == [
        (cases[1], 1), (cases[0], 1), (cases[0], 2), (cases[0], 3),
    ]  # fmt: skip


def test_the_order_of_a_first_round_depends_on_the_seed_alone() -> None:
    cases = [Case(name, 64) for name in ("sdpa", "full", "fnet", "linear", "pool", "none", "dct-x", "dct-kv")]
    orders = [ordered(cases, "sdpa", seed) for seed in range(5)]
    assert all(order[0].implementation == "sdpa" for order in orders)
    assert len(set(map(tuple, orders))) > 1
    assert [ordered(reversed(cases), "sdpa", seed) for seed in range(5)] == orders


def test_a_budget_is_spread_by_predicted_sampling_after_what_processes_cost_besides() -> None:
    cases = [Case("sdpa", 1024), Case("sdpa", 2048)]
    predicted = estimate(cases, dict.fromkeys(cases, 10**9), [result("sdpa", 1024, 1e-3), result("sdpa", 2048, 4e-3)])
    plan = Plan({cases[0]: 2, cases[1]: 1}, "sdpa", predicted)
    sampling = {(case.id, number): predicted.sampling(case, number) for case, number in plan.processes}
    besides = plan.seconds - sum(sampling.values())
    assert besides > 0
    shares = plan.sampling_budgets(besides + 3.0)
    assert sum(shares.values()) == pytest.approx(3.0)
    for process, cost in sampling.items():
        assert shares[process] == pytest.approx(3.0 * cost / sum(sampling.values()))
    assert set(plan.sampling_budgets(besides / 2).values()) == {0.0}
    # With no budget, the first round of 1 ms calls has 20 samples and the second one three; that of 4 ms calls has 20.
    assert plan.least_seconds == pytest.approx(besides + 20 * 1e-3 + 3 * 1e-3 + 20 * 4e-3)


LENGTHS = (512, 65_536, 262_144, 1_048_576)
CALLS = (0.01, 1.0, 400.0, 6e3)


@pytest.mark.parametrize(("prune", "waits"), [(True, 1), (False, 2)])
def test_cases_beyond_the_time_limit_do_not_use_up_a_budget(prune: bool, waits: int) -> None:
    cases = [Case("sdpa", n) for n in LENGTHS]
    stored = [result("sdpa", n, seconds) for n, seconds in zip(LENGTHS, CALLS, strict=True)]
    settings = RunSettings(rounds=3, case_timeout=120.0, prune=prune)
    plan = plan_cases(cases, settings, describing(10**9), stored)
    short = plan_cases(cases[:2], settings, describing(10**9), stored)
    assert plan.seconds == pytest.approx(short.seconds + waits * 120.15)
    assert plan.unending == (cases[2:3] if prune else cases[2:])
    assert plan.estimate.left_out == ({cases[3]} if prune else set())
    budgets = plan.sampling_budgets(300.0)
    beside = plan.least_seconds - sum(least_sampling(case) for case in cases[:2])
    assert sum(budgets.values()) == pytest.approx(300 - beside, rel=1e-6)
    assert {case_id for (case_id, _), seconds in budgets.items() if seconds} == {case.id for case in cases[:2]}
    assert plan.least_seconds < 300


def least_sampling(case: Case) -> float:
    """Of three rounds: 14, 3 and 3 samples of a short call; two of a long one in each, which take 1.5 s."""
    return 20 * 0.01 if case.seq_len == 512 else 3 * 2 * 1.0


def test_a_large_plan_is_predicted_without_a_list_of_its_processes() -> None:
    case = Case("sdpa", 512)
    plan = Plan({case: 10**12}, "sdpa", estimate([case], {case: 10**9}))
    assert next(iter(plan.processes)) == (case, 1)
    assert plan.number_of_processes == 10**12
    assert plan.seconds_left() == pytest.approx(plan.seconds)


def test_the_whole_takes_as_long_as_its_processes_and_the_starts_of_their_parents() -> None:
    case = Case("sdpa", 1024)
    fresh = estimate([case], {case: 10**9}, pace=Pace(isolation="fresh"))
    rounds = sum(fresh.seconds(case, number) for number in (1, 2, 3))
    assert fresh.seconds(case, 1) > fresh.seconds(case, 2) == fresh.seconds(case, 3)
    assert fresh.total({case: 3}) == pytest.approx(rounds)
    forked = replace(fresh, pace=Pace(isolation="zygote"))
    more = forked.total({case: 3}) - sum(forked.seconds(case, number) for number in (1, 2, 3))
    assert more == pytest.approx(3 * (forked.total({case: 1}) - forked.seconds(case, 1)))


def test_only_the_input_that_is_a_layer_has_the_heads_of_its_model() -> None:
    suite = suites.parse('[axes]\nimpl = "sdpa"\nseq = "64"\ninput = "ecg,minilm:2"\n', "mine.toml")
    shapes = {(case.input, case.heads, case.head_dim) for case in make_plan(suite, describing(1)).cases}
    assert shapes == {("ecg", 8, 64), ("minilm:2", 12, 32)}


OWN = "package.module:Layer"


class Knowing(Describing):
    """It also knows what is the user's own: a method, a task and a model."""

    def __init__(self, methods: Mapping[str, ImplementationFacts], tasks: Mapping[str, TaskFacts]) -> None:
        super().__init__(script, 1)
        self.methods, self.tasks = methods, tasks
        self.asked_for: list[tuple[object, ...]] = []

    def describe(
        self,
        implementations: Sequence[str],
        cases: Sequence[Case],
        tasks: Sequence[str] = (),
        inputs: Sequence[str] = (),
    ) -> Facts:
        if not cases:
            self.asked_for.append((list(implementations), list(tasks), list(inputs)))
        return Facts(self.methods, dict.fromkeys(cases, 1), self.tasks)

    def model_facts(self, target: str, seq_len: int, batch: int) -> ModelFacts:
        self.asked_for.append((target, seq_len, batch))
        return ModelFacts(3, 5, 2)


def asked(**axes: Any) -> suites.Suite:
    """The suite of this module with other axes."""
    return suites.override(suites.parse(SUITE, "mine.toml"), AxisValues(**axes))


@pytest.mark.parametrize(("compresses", "ratios"), [(True, {4, 8}), (False, {None})])
def test_the_runner_tells_whether_a_method_of_the_users_own_compresses(
    compresses: bool, ratios: set[float | None]
) -> None:
    runner = Knowing({OWN: ImplementationFacts(compresses)}, {})
    cases = make_plan(asked(impl=f"sdpa,{OWN}", ratio="4,8", input="ecg,noise"), runner).cases
    assert runner.asked_for == [([OWN], [], ["ecg", "noise"])]
    assert {case.ratio for case in cases if case.implementation == OWN} == ratios
    assert {case.ratio for case in cases if case.implementation == "sdpa"} == {None}


def test_the_runner_tells_the_shapes_of_a_task_of_the_users_own() -> None:
    task = "package.module:Task"
    runner = Knowing({}, {task: TaskFacts(seq_len=48, batch=7, steps=10, classes=2, floor=0.5)})
    cases = make_plan(asked(impl="sdpa", task=f"{task},mnist1d"), runner).cases
    assert runner.asked_for == [([], [task], [])]
    known = TASKS["mnist1d"].facts
    assert known is not None
    assert {(case.task, case.seq_len, case.batch) for case in cases if case.task} == {
        (task, 48, 7), ("mnist1d", known.seq_len, known.batch),
    }  # fmt: skip
    assert {case.implementation for case in cases} == {"sdpa", "none", "pool", "pool-kv"}


def test_the_parts_of_a_suite_have_together_no_more_cases_than_a_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = "".join(f'[[parts]]\nseq = "{n}"\n' for n in (64, 128, 256))
    suite = suites.parse(f'[axes]\nimpl = "sdpa,full"\n{parts}', "mine.toml")
    monkeypatch.setattr(grid, "MAX_VALUES", 6)
    assert len(make_plan(suite, describing(1)).cases) == 6
    monkeypatch.setattr(grid, "MAX_VALUES", 5)
    with pytest.raises(UsageError, match=r"^the axes give more than 5 cases$"):
        make_plan(suite, describing(1))


def test_a_model_has_its_own_heads_and_is_asked_about_the_smallest_input() -> None:
    runner = Knowing({}, {})
    suite = asked(model="package.module:make", impl="sdpa,dct-x", seq="128,64", batch="4,2", layers="1", recover="20")
    cases = make_plan(suite, runner).cases
    assert runner.asked_for == [("package.module:make", 64, 2)]
    assert {(case.heads, case.head_dim, case.scope, case.model) for case in cases} == {
        (3, 5, "model", "package.module:make")
    }
    assert {(case.implementation, case.layers, case.recover) for case in cases} == {
        ("sdpa", None, None), ("dct-x", "1", 20),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "message", "hint"),
    [
        ({"layers": "0"}, "--layers is for a model", "add --model, such as --model minilm"),
        ({"keep_first": "2"}, "--keep-first is for a model", "add --model, such as --model minilm"),
        ({"recover": "20"}, "--recover is for a model", "add --model, such as --model minilm"),
        (
            {"model": "minilm", "scope": "layer"},
            "--scope model and --model go together, and with no other scope",
            "such as --model minilm, or --model package.module:function",
        ),
        (
            {"model": "minilm", "scope": "model,layer"},
            "--scope model and --model go together, and with no other scope",
            "such as --model minilm, or --model package.module:function",
        ),
        (
            {"scope": "model"},
            "--scope model and --model go together, and with no other scope",
            "such as --model minilm, or --model package.module:function",
        ),
        (
            {"model": "minilm,package.module:make"},
            "--model: one model is measured at a time",
            "run the command once for each model",
        ),
        (
            {"input": "ecg", "scope": "encoder"},
            "--input is for the error of a layer, which --scope encoder does not have",
            "leave out --input, or --scope encoder",
        ),
        (
            {"input": "ecg", "scope": "attention,model"},
            "--input is for the error of a layer, which --model does not have",
            "leave out --input, or --model",
        ),
        (
            {"model": "minilm", "task": "mnist1d", "layers": "0"},
            "--model minilm does not go with --task: a task trains a small model of its own",
            "train in a run of its own, such as dctbench run --task mnist1d",
        ),
        (
            {"task": "mnist1d,pathfinder"},
            "--device cpu: trainings on pathfinder take too long there",
            "give --device cuda:0, or leave out pathfinder",
        ),
        (
            {"input": "ecg", "task": "mnist1d"},
            "--input is for the error of a layer, which --task does not have",
            "leave out --input, or --task",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_asked(
    axes: dict[str, str], message: str, hint: str
) -> None:
    runner = Knowing({}, {})
    with pytest.raises(UsageError) as refused:
        make_plan(asked(**axes), runner)
    assert (refused.value.message, refused.value.hint) == (message, hint)
    assert runner.asked_for == []


@pytest.mark.parametrize(
    ("axes", "message", "hint"),
    [
        ({"heads": "3,4"}, "--heads 4: the model was built with --heads 3", "leave out --heads"),
        ({"head_dim": 8}, "--head-dim 8: the model was built with --head-dim 5", "leave out --head-dim"),
        (
            {"layers": ["0", "1,2"]},
            "--layers 1,2: the model has 2 attentions that can be replaced",
            "they are numbered from 0 to 1",
        ),
        (
            {"keep_first": "0,2"},
            "--keep-first 2: the model has 2 attentions that can be replaced",
            "leave one to replace: --keep-first 1 at most",
        ),
    ],
)
def test_a_model_of_two_attentions_of_three_heads_has_no_others(axes: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        make_plan(asked(model="package.module:make", **axes), Knowing({}, {}))
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_what_a_model_has_may_be_asked_for() -> None:
    own = {"heads": 3, "head_dim": 5, "layers": ["0,1"], "keep_first": "0..1:+1"}
    cases = make_plan(asked(model="package.module:make", **own), Knowing({}, {})).cases
    assert {case.layers for case in cases} == {None, "0,1", "0..", "1.."}


def test_a_task_of_a_gpu_is_trained_on_a_gpu() -> None:
    cases = make_plan(asked(task="pathfinder", device="cuda:1"), describing(1)).cases
    assert {case.device for case in cases if case.task} == {"cuda:1"}


def test_the_input_of_a_bare_attention_is_as_good_as_that_of_a_layer() -> None:
    cases = make_plan(asked(input="ecg", scope="attention,layer"), Knowing({}, {})).cases
    assert {(case.input, case.scope) for case in cases} == {("ecg", "attention"), ("ecg", "layer")}
