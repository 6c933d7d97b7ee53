"""The checks of timed calls: what was timed must have computed the output of its input, in a time that is possible."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from dctbench.machine.physical import most_flops_per_second
from dctbench.model import Case
from dctbench.text.format import format_count
from dctbench.worker.collected import Collected
from dctbench.worker.metrics import inputs, latency
from dctbench.worker.metrics.output import check_depends_on_input, check_form, check_same
from dctbench.worker.passes import Untimed
from dctbench.worker.workload import Workload


def check_timed_calls(
    case: Case, subject: Workload, expected: Tensor, timer: latency.Timer, calls: int, untimed: Untimed
) -> None:
    """Check, after timing, the outputs of timed calls for the very values that were in their input.

    The input of the first call, written in place into an input that had other values, must give the first output again.
    Then some of its rows are drawn anew, and the output must change; and so once more with others of its rows, since a
    method that remembers outputs by a part of their input may have seen that part change.

    A backward pass has no output, and one with dropout is never repeated. Then outputs beside the timed calls are
    compared instead.

    A long call has no calls to spare: the output of its last sample must differ from the first output, and
    `other_passes` repeats the first output.

    Raises:
        WrongOutputError: for an output that is wrong, or that does not follow its input.
    """
    if untimed.long:
        if timer.last is not None:
            check_depends_on_input(expected, check_form(subject.form, timer.last))
        return

    beside = case.mode == "backward" or subject.draws

    def output(renew: Callable[[range], None]) -> Tensor:
        seen = timer.output(calls, inputs.ROTATION, renew)
        if subject.draws:
            check_form(subject.form, seen)
        if beside:
            seen = subject.output(subject.arguments[0])
        return check_form(subject.form, seen).detach().clone()

    restored = output(subject.restore)
    check_same(case, restored, expected, "after timing" if beside else "in a timed call")
    renewed = output(subject.renew)
    check_depends_on_input(restored, renewed)
    if not subject.pool:  # of inputs from a pool, every part is another one
        check_depends_on_input(renewed, output(subject.renew))


def refuse_the_impossible(case: Case, collected: Collected) -> None:
    """Refuse calls that are faster than their devices can physically compute, once all of the case was measured.

    Raises:
        ImplausibleError: naming the rate and the ceiling.
    """
    samples = {one.metric: one.samples for one in collected.measurements}
    seconds = min(samples["latency"])
    work = samples["flops"][0] if "flops" in samples else collected.details.flops_analytic
    most = most_flops_per_second(case.device_kind, collected.details.device_name)
    if not work or most is None:
        return
    most *= len(set(case.devices))
    if work / seconds > most:
        rate, ceiling = format_count(work / seconds, "FLOP/s"), format_count(most, "FLOP/s")
        raise latency.ImplausibleError(f"implausible: {rate} where this device can do {ceiling} at the very most")
