"""Measures the models of this folder, and writes results.json, which `dctbench import` reads.

It needs Python 3.9 or later, numpy and onnxruntime, and nothing else. Each case of each round runs in a process of its
own, which loads only the engine. Run it again for more rounds: they are added to results.json.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.util
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

COPY_WHOLE = "copy the whole folder of the bundle to this machine"
if __package__:
    from dctbench.bundle import board
    from dctbench.machine import cgroup, energy, periodic, power_meters
else:
    try:  # the copies beside this program, in a bundle
        import board  # type: ignore[no-redef]
        import cgroup  # type: ignore[no-redef]
        import energy  # type: ignore[no-redef]
        import periodic  # type: ignore[no-redef]
        import power_meters  # type: ignore[no-redef]
    except ImportError as error:
        print(f"error: {error}; {COPY_WHOLE}", file=sys.stderr)
        sys.exit(2)

PACKAGES = ("numpy", "onnxruntime")
HERE = Path(__file__).resolve().parent
WARM_UP_SECONDS = 0.2
LEAST_SAMPLE_SECONDS = 1e-3
SAMPLING_SECONDS = 0.7
LEAST_SAMPLES = 7
LONG_CALL = 0.25
"""Seconds from which on one call is enough to warm up."""
MOST_TIMEOUTS = 5
"""How many time limits a process may take in all. One that begins no call after the first limit has ended by then."""
ENERGY_CALLS = 3
"""The fewest calls of the pass that measures energy, for calls longer than its window."""
LONGEST_WAIT = 1e6
"""Seconds. The system call that waits for a process takes no more than 24 days."""
_UTC = datetime.timezone.utc  # noqa: UP017 - datetime.UTC is newer than Python 3.9


class UsageError(Exception):
    """What the user asked for cannot be done. The message says why, and `remedy` what to do."""

    def __init__(self, message: str, remedy: str = "name another file with -o") -> None:
        super().__init__(message)
        self.remedy = remedy


def main() -> int:
    """Measure, or with --one, measure one case in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=None, help="processes per case (default: those of the bundle)")
    parser.add_argument("--priority", action="store_true", help="run calls on a schedule before all other programs")
    parser.add_argument("--no-energy", action="store_true", help="leave out the energy of a call: seconds per case")
    parser.add_argument("-o", "--output", default=str(HERE / "results.json"), help="the file to write or to extend")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    try:
        return carry_out(asked, Path(asked.output))
    except UsageError as error:
        print(f"error: {error}; {error.remedy}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        held = f"{asked.output} holds what was measured" if Path(asked.output).exists() else "nothing was measured"
        print(f"interrupted: {held}", file=sys.stderr)
        return 130


def carry_out(asked: argparse.Namespace, output: Path) -> int:
    """Do what was asked for, and return the exit code."""
    bundle = described(HERE / "bundle.json")
    if asked.one is not None:
        entry = next(one for one in bundle["cases"] if one["case_id"] == asked.one)
        found = measure(entry, bundle, priority=asked.priority, with_energy=not asked.no_energy)
        print(json.dumps(found, allow_nan=False))
        return 0
    rounds = bundle["rounds"] if asked.rounds is None else asked.rounds
    if rounds < 1:
        print("error: --rounds accepts 1 or more", file=sys.stderr)
        return 2
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        wanted = f"pip install {' '.join(PACKAGES)}"
        print(f"error: this Python has no {' and no '.join(missing)}; {wanted}", file=sys.stderr)
        return 6
    problem = unwritable(output)
    if problem is not None:
        raise UsageError(f"{output} cannot be written: {problem}")
    with_energy = bundle["energy"] and not asked.no_energy
    with alone(output):
        return run_all(bundle, rounds, output, priority=asked.priority, with_energy=with_energy)


def described(path: Path) -> dict[str, Any]:
    """Return what the bundle holds.

    Raises:
        UsageError: if its description cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise UsageError(f"{path} cannot be read: {why}", COPY_WHOLE) from None
    return found


def unwritable(path: Path) -> str | None:
    """Return why results cannot be written to a file, or None, so that no round is measured and then lost."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if path.is_dir():
        return "it is a folder"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"the folder {path.parent} is not writable"
    return None


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within the context, no other process of this program adds to a file, which would lose the rounds of one of them.

    The lock is on a file beside it, since each write puts a new file in its place. Where the system has no such locks,
    there is none.

    Raises:
        UsageError: if another process adds to the file.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    lock = path.with_name(path.name + ".lock")
    try:
        number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise UsageError(f"{lock} cannot be opened: {error.strerror}") from None
    with open(number, "w", encoding="utf-8"):
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another process is adding to {path}") from None
        except OSError:  # a file system without locks
            pass
        yield


def run_all(bundle: dict[str, Any], rounds: int, path: Path, *, priority: bool, with_energy: bool) -> int:
    """Measure every case `rounds` times, and write the results after each case, so that an interruption loses one.

    A case that failed is not tried again in the other rounds of this call, where it would take its time limit again.
    """
    facts = board.environment()
    document = earlier(path, bundle, facts, priority=priority) or new_document(bundle, facts, priority=priority)
    known = {entry["case_id"] for entry in bundle["cases"]}
    measured = [entry for entry in document["results"] if entry["case_id"] in known]
    first = 1 + max((one["round"] for entry in measured for one in entry["rounds"]), default=0)
    failed: set[str] = set()
    for number in range(first, first + rounds):
        order = [entry for entry in bundle["cases"] if entry["case_id"] not in failed]
        random.Random(number).shuffle(order)
        for done, entry in enumerate(order, 1):
            asked = with_energy and not has_energy(document, entry["case_id"])
            most = longest(entry["case"], bundle)
            found = in_a_process(entry["case_id"], most, priority=priority, with_energy=asked)
            if found["status"] != "ok":
                failed.add(entry["case_id"])
            add(document, entry, number, found)
            write(path, document)
            shown = found["message"] or f"{1e3 * statistics.median(found['latency']):.3f} ms"
            print(f"[round {number}, {done}/{len(order)}] {entry['name']} n={entry['case']['seq_len']}  {shown}")
    lost = sum(one["status"] != "ok" and one["case_id"] in known for one in document["results"])
    if lost:
        cases = "1 case" if lost == 1 else f"{lost} cases"
        print(f"{path} has a failed round of {cases}, which more rounds do not mend: to measure anew, use -o NEW_FILE")
    print(f"{path} is written. On a machine with dctbench: dctbench import {path.name}")
    return 4 if failed else 0


def write(path: Path, document: dict[str, Any]) -> None:
    """Write the results so that a reader finds the earlier ones or these, never a part.

    Raises:
        UsageError: if they cannot be written, as on a full disk.
    """
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=1, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    with contextlib.suppress(OSError):  # not every system can open a folder
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def longest(case: dict[str, Any], bundle: dict[str, Any]) -> float:
    """Return the seconds after which the process of a case is ended. The time limit does not count its schedule."""
    schedule = bundle["releases"] * (case["period"] or 0.0)
    return float(min(MOST_TIMEOUTS * bundle["case_timeout"] + schedule, LONGEST_WAIT))


def in_a_process(case_id: str, most: float, *, priority: bool, with_energy: bool) -> dict[str, Any]:
    """Return what a process of its own measured within `most` seconds, or why it measured nothing."""
    words = [sys.executable, str(Path(__file__).resolve()), "--one", case_id]
    words += [*(["--priority"] if priority else []), *([] if with_energy else ["--no-energy"])]
    try:
        done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", timeout=most, check=False)
    except subprocess.TimeoutExpired:
        return failure("timeout", f"timeout after {most:g} s")
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        found: dict[str, Any] = json.loads(lines[-1])
        return found
    return failure("error", ended(done.returncode, done.stderr.strip().splitlines()))


def ended(code: int, told: list[str]) -> str:
    """Return why a process measured nothing: the signal that ended it, and the last line that it wrote."""
    last = told[-1][:300] if told else ""
    if code >= 0:
        return last or f"the process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if name == "SIGKILL":
        return f"{name} (probably out of memory)"
    return f"{name}: {last}" if last else name


def failure(status: str, message: str) -> dict[str, Any]:
    """Return what a case gives that was not measured."""
    return {"status": status, "message": message, "latency": [], "metrics": {}, "details": {}}


def measure(entry: dict[str, Any], bundle: dict[str, Any], *, priority: bool, with_energy: bool) -> dict[str, Any]:
    """Load the model of a case, check its output, and time it."""
    import numpy as np
    import onnxruntime

    case = entry["case"]
    threads = case["threads"] or board.usable_cores()
    began_at, scheduled = time.perf_counter(), 0.0

    def allows(seconds: float) -> bool:
        return bool(time.perf_counter() - began_at - scheduled + seconds <= bundle["case_timeout"])

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    began = time.perf_counter()
    session = onnxruntime.InferenceSession(str(HERE / entry["model"]), options, providers=["CPUExecutionProvider"])
    setup = time.perf_counter() - began
    expected = np.load(str(HERE / entry["expected"]), allow_pickle=False)
    output = session.get_outputs()[0].name
    bound = []
    for names in entry["inputs"]:
        binding = session.io_binding()
        for wanted, name in zip(session.get_inputs(), names):
            binding.bind_cpu_input(wanted.name, np.load(str(HERE / name), allow_pickle=False))
        binding.bind_output(output, "cpu")
        bound.append(binding)

    def prepare(number: int) -> Any:
        return bound[number % len(bound)]

    call = session.run_with_iobinding
    began = time.perf_counter()
    call(bound[0])
    first_call = time.perf_counter() - began
    difference = relative(np, bound[0].copy_outputs_to_cpu()[0], expected)
    metrics = {
        "setup": [setup], "memory.state": [(HERE / entry["model"]).stat().st_size], "first_call": [first_call],
        "error.engine": [difference],
    }  # fmt: skip
    too_large = entry["precision"] == "float32" and difference > bundle["largest_difference"]
    if too_large or not math.isfinite(difference):
        return failure("error", f"the output differs from the one that torch computed by {difference:.2g}")
    latency, per_sample, reason = sample(prepare, call, bundle["samples"], first_call, allows)
    details = {"threads": threads, "calls_per_sample": per_sample, "stop_reason": reason}
    if case["period"] is not None:
        began = time.perf_counter()
        seconds, details["schedule"] = released(prepare, call, case, bundle["releases"], priority=priority)
        scheduled = time.perf_counter() - began  # which the time limit does not count
        metrics["response"] = seconds
    resident = board.most_resident()
    if resident is not None:
        metrics["memory.resident"] = [resident]
    if with_energy and not allows(ENERGY_CALLS * statistics.median(latency) + power_meters.pass_seconds()):
        details["energy.absent"] = f"it would go beyond the time limit of the case ({bundle['case_timeout']:g} s)"
    elif with_energy:
        found = energy_of(lambda number: call(prepare(number)))
        metrics.update({"energy": [found.pop("joules")]} if "joules" in found else {})
        details.update(found)
    return {"status": "ok", "message": None, "latency": latency, "metrics": metrics, "details": details}


def energy_of(call: Any) -> dict[str, Any]:
    """Return the joules of a call with the meter and how it was read, or why there are none, as dctbench stores it."""
    try:
        meter = power_meters.find()
        found = energy.measure(call, lambda: None, meter)
    except energy.NoEnergyError as reason:
        return {"energy.absent": f"{reason.message}; {reason.hint}" if reason.hint else reason.message}
    reading = {"source": meter.source, "idle_watts": found.idle_watts, "calls": found.calls}
    return {"joules": found.joules, "energy": reading}


def relative(np: Any, output: Any, expected: Any) -> float:
    """Return ||output - expected|| / ||expected|| in float64."""
    exact = expected.astype(np.float64)
    return float(np.linalg.norm(output.astype(np.float64) - exact) / np.linalg.norm(exact))


def sample(
    prepare: Any, call: Any, least: int, first: float, allows: Callable[[float], bool]
) -> tuple[list[float], int, str]:
    """Warm up, then return seconds per call, how many calls a sample is the mean of, and why sampling stopped.

    `first` are the seconds of the first call, which is the sample if no other one fits into the time limit. `allows`
    tells whether so many more seconds do.
    """
    calls, usual, began = 0, first, time.perf_counter()
    while ((calls < 3 and usual < LONG_CALL) or time.perf_counter() - began < WARM_UP_SECONDS) and allows(usual):
        call(prepare(calls))
        calls += 1
        usual = (time.perf_counter() - began) / calls
    per_sample = max(1, round(LEAST_SAMPLE_SECONDS / usual + 0.5)) if usual < LEAST_SAMPLE_SECONDS else 1
    found: list[float] = []
    began = time.perf_counter()
    while len(found) < max(least, LEAST_SAMPLES) or time.perf_counter() - began < SAMPLING_SECONDS:
        if not allows(per_sample * (found[-1] if found else usual)):
            return (found, per_sample, "limit") if found else ([first], 1, "limit")
        prepared = [prepare(number) for number in range(per_sample)]
        start = time.perf_counter()
        for one in prepared:
            call(one)
        found.append((time.perf_counter() - start) / per_sample)
    return found, per_sample, "budget"


def released(
    prepare: Any, call: Any, case: dict[str, Any], count: int, *, priority: bool
) -> tuple[list[float], dict[str, Any]]:
    """Release calls on the schedule of a case. Return the response times, and how the schedule went."""
    period, deadline = case["period"], case["deadline"]
    raising = periodic.raised_priority() if priority else contextlib.nullcontext()
    with periodic.Observer(cgroup.throttled_seconds) as observer, raising as raised:
        found = periodic.release(prepare, call, period=period, deadline=deadline, count=count, observer=observer)
    causes = periodic.causes(found, period=period, deadline=deadline)
    schedule = {"rate": found.rate, "late": found.late, "causes": [list(pair) for pair in list(causes.items())[:1000]]}
    return found.responses, {**schedule, **(raised._asdict() if raised else {})}


def new_document(bundle: dict[str, Any], facts: dict[str, Any], *, priority: bool) -> dict[str, Any]:
    """Return a document without results, with a run of its own that later rounds join."""
    key = board.fingerprint(facts)
    started_at = datetime.datetime.now(_UTC).isoformat(timespec="microseconds")
    settings = {
        "rounds": bundle["rounds"], "samples": bundle["samples"], "case_timeout": bundle["case_timeout"],
        "energy": bundle["energy"], **({"priority": True} if priority else {}),
    }  # fmt: skip
    return {
        "schema_version": bundle["schema_version"],
        "run": {
            "id": run_id(bundle, facts, started_at, priority=priority), "label": bundle["label"],
            "suite": bundle["suite"], "argv": [], "started_at": started_at,
            "dctbench_version": bundle["dctbench_version"], "settings": settings,
        },
        "environments": {key: facts},
        "results": [left_out(entry, facts, key) for entry in bundle["left_out"]],
    }  # fmt: skip


def run_id(bundle: dict[str, Any], facts: dict[str, Any], started_at: str, *, priority: bool) -> str:
    """Return the id of the run in a file. Another board of the same kind has another, and so has a second file."""
    return board.digest([bundle["id"], board.fingerprint(facts), facts["host"], started_at, priority])


def left_out(entry: dict[str, Any], facts: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the result of a case that could not be exported."""
    made = result(entry, facts, key)
    message = f"it could not be exported: {entry['message']}"
    made["status"], made["message"] = entry["status"], message
    made["rounds"].append({"round": 1, "status": entry["status"], "samples": 0, "message": message})
    return made


def result(entry: dict[str, Any], facts: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the entry of a case without rounds."""
    return {
        "case": entry["case"], "case_id": entry["case_id"], "host": facts["host"], "fingerprint": key, "rounds": [],
        "status": "ok", "message": None, "warnings": [], "details": {}, "metrics": {},
    }  # fmt: skip


def earlier(path: Path, bundle: dict[str, Any], facts: dict[str, Any], *, priority: bool) -> dict[str, Any] | None:
    """Return the document that rounds are added to, or None if there is none.

    Raises:
        UsageError: for results of another bundle or machine, for those that were measured in the other way (with or
            without priority), and for a file that was damaged or cannot be read.
    """
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        measured_as, started_at = document["run"]["id"], document["run"]["started_at"]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        why = error if isinstance(error, ValueError) else "it holds no results"
        raise UsageError(f"{path} cannot be extended: {why}") from None
    known = {run_id(bundle, facts, started_at, priority=way): way for way in (False, True)}
    way = known.get(measured_as)
    if way is None:
        raise UsageError(f"{path} holds results of another bundle or machine")
    if way != priority:
        how = "with" if way else "without"
        raise UsageError(f"{path} was measured {how} --priority")
    return document


def refuse(word: str) -> Any:
    """Refuse NaN and infinities, which no JSON has."""
    raise ValueError(f"{word} is not a number")


def has_energy(document: dict[str, Any], case_id: str) -> bool:
    """Whether the energy of a call of this case is known: one process measures it, since the pass takes seconds."""
    return any(one["case_id"] == case_id and "energy" in one["metrics"] for one in document["results"])


def add(document: dict[str, Any], entry: dict[str, Any], number: int, measured: dict[str, Any]) -> None:
    """Add what one process measured of a case to the document."""
    [key] = document["environments"]
    found = next((one for one in document["results"] if one["case_id"] == entry["case_id"]), None)
    if found is None:
        found = result(entry, document["environments"][key], key)
        document["results"].append(found)
    samples = measured["latency"]
    if measured["status"] != "ok":
        found["status"], found["message"] = measured["status"], measured["message"]
    found["rounds"].append(
        {
            "round": number, "status": measured["status"], "samples": len(samples),
            "stop_reason": measured["details"].get("stop_reason"), "message": measured["message"], "warnings": [],
            "details": measured["details"], "metrics": measured["metrics"],
        }
    )  # fmt: skip
    metrics = found["metrics"]
    if samples:
        latency = metrics.setdefault("latency", {"unit": "s", "value": 0.0, "samples": []})
        latency["samples"] += samples
        latency["value"] = statistics.median(latency["samples"])
    for name, values in measured["metrics"].items():
        metrics.setdefault(name, {"unit": UNITS[name], "value": statistics.median(values)})


UNITS = {
    "setup": "s", "first_call": "s", "response": "s", "memory.state": "B", "memory.resident": "B", "error.engine": "1",
    "energy": "J",
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
