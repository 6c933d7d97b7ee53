"""Implementations that each misbehave in one way, as users' own code may."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Good(nn.Module):
    """Behaves: a user's own layer with the required constructor."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__()
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        projected: Tensor = self.out_proj(self.v_proj(x))
        return projected


class AnotherFunction(Good):
    """States that it approximates nothing."""

    error_means = "other"


class Prints(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        print('{"status": "ok"}')
        os.write(1, b"noise\n")
        return super().forward(x)


class Raises(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        raise KeyError("weights")


class Exits(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        sys.exit(3)


class Vanishes(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os._exit(0)


class Segfaults(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        ctypes.string_at(0)
        return x


class KillsItself(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return x


class HangsInC(Good):
    """Sleeps in C while it holds the interpreter lock, so that no Python signal handler runs."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        ctypes.PyDLL(None).sleep(600)
        return x


class LeavesAChild(Good):
    """Forks a process that sleeps with every descriptor open, then hangs."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
        return x


class ForksAndDies(Good):
    """Leaves a child behind that keeps the channel of the answer open."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if os.fork() == 0:
            time.sleep(600)
        os._exit(7)


class GivesNaN(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return super().forward(x) * float("nan")


class WrongShape(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return super().forward(x)[:, :-1]


class NoTensor(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return [1, 2]  # type: ignore[return-value]


class CachesItsOutput(Good):
    cached: Tensor | None = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if self.cached is None:
            self.cached = super().forward(x)
        return self.cached


class RemembersByAddress(Good):
    """Computes each output once for the address of its input, and hides the outputs where no parameter shows them."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.known: dict[object, Tensor] = {}

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        key = self.key(x)
        if key not in self.known:
            self.known[key] = super().forward(x)
        return self.known[key]

    def key(self, x: Tensor) -> object:
        return x.data_ptr()


class RemembersByPart(RemembersByAddress):
    """Computes each output once for the first row of its input."""

    def key(self, x: Tensor) -> object:
        return float(x[0, 0].sum())


class HidesATable(Good):
    """Keeps tensors that are neither parameters nor buffers: in a list from the start, in a closure from a call on."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.tables = [torch.ones(seq_len, dim)]
        self.table: Callable[[], Tensor] | None = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if self.table is None:
            table = torch.zeros(x.shape[1:])
            self.table = lambda: table
        output: Tensor = super().forward(x) * self.tables[0] + self.table()
        return output


class RunsOutOfMemory(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        torch.empty(1 << 60, dtype=torch.uint8)
        return x


class WrongConstructor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()


class NotAModule:
    def __init__(self, *, seq_len: int, dim: int, heads: int) -> None:
        self.dim = dim


class LeavesRowsUnwritten(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        out = torch.empty_like(x)
        out[:, :-1] = super().forward(x)[:, :-1]
        return out


class ReadsUnwrittenMemory(Good):
    """Is correct unless four megabytes of new memory hold nothing but NaN."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        scratch = torch.empty(1 << 20)
        return super().forward(x) * (scratch[0] if bool(scratch.isnan().all()) else 1.0)


class WrongWithGradients(Good):
    """Is correct for whoever only looks at its output, and wrong in a training step."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        output = super().forward(x)
        return 2 * output if torch.is_grad_enabled() else output


class ChangesAfterAWhile(Good):
    """Is correct for its first five calls, and wrong afterwards."""

    calls = 0

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        self.calls += 1
        return super().forward(x) * (1.0 if self.calls <= 5 else 2.0)


class TiresAfterAWhile(Good):
    """Is correct at first, and returns an old output after a few calls."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.calls = 0
        self.kept: Tensor | None = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        self.calls += 1
        if self.kept is None or self.calls < 8:
            self.kept = super().forward(x)
        return self.kept


class StopsTheClock(Good):
    """Replaces every clock that it can find by one that stands still."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        from dctbench.worker import measure
        from dctbench.worker.devices import cpu
        from dctbench.worker.metrics import latency

        for place, name in ((cpu, "_clock"), (measure, "_clock"), (latency, "perf_counter"), (time, "perf_counter"),
                            (time, "monotonic"), (time, "time"), (time, "process_time")):  # fmt: skip
            setattr(place, name, lambda: 0.0)


class LoopsInPython(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        while True:
            pass


class StopsItself(Good):
    """Stops itself by a signal that no process can catch."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.kill(os.getpid(), signal.SIGSTOP)
        return x


class LeavesOrphans(Good):
    """Behaves, and leaves two processes in sessions of their own, outside its process group."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.left = False

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if not self.left and x.device.type != "meta":
            self.left = True
            for _ in range(2):
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(600)
                    os._exit(0)
        return super().forward(x)


def hang() -> None:
    """Create a file in the current folder as a sign that the damage is done, then sleep."""
    with open("reached", "w", encoding="ascii"):
        time.sleep(600)


class LeavesOrphansAndHangs(LeavesOrphans):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        super().forward(x)
        hang()
        return x


class StopsItsParent(Good):
    """Kills the process that forked it, which then cannot report its end."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.kill(os.getppid(), signal.SIGSTOP)
        return super().forward(x)


class StopsItsParentAndHangs(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.kill(os.getppid(), signal.SIGSTOP)
        hang()
        return x


class KillsItsParent(Good):
    """Does the same and leaves a process that survives both."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
        return x


class ForksAndContinues(Good):
    """Forks, and both processes continue as the case."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.forked = False

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        if not self.forked and x.device.type != "meta":
            self.forked = True
            os.fork()
        return super().forward(x)


class RaisesTheUnspeakable(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        class UnspeakableError(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no words")

        raise UnspeakableError


class RaisesBaseException(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        class Beyond(BaseException):
            pass

        raise Beyond("every except clause")


class ExitsWhenBuilt(Good):
    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        sys.exit(3)


class VanishesWhenBuilt(Good):
    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        os._exit(9)


class _DiesWhenAsked(type):
    @property
    def uses_ratio(cls) -> bool:
        os.kill(os.getpid(), signal.SIGSEGV)
        return True


class DiesWhenDescribed(Good, metaclass=_DiesWhenAsked):
    """Ends the process that asks whether it has a ratio."""


def _channel() -> int:
    """Return the descriptor of the answer's channel, the first socket of the process."""
    for descriptor in range(3, 64):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:"):
                return descriptor
        except OSError:
            continue
    raise AssertionError("no channel")


class Answers(Good):
    """Writes an answer of its own, then sleeps."""

    ANSWER = b""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.write(_channel(), self.ANSWER)
        time.sleep(600)
        return x


class AnswersNaN(Answers):
    ANSWER = b'{"status": "ok", "measurements": [{"metric": "latency", "unit": "s", "samples": [NaN]}]}\n'


class AnswersDeeply(Answers):
    ANSWER = b"[" * 100_000 + b"\n"


class AnswersOkAlone(Answers):
    ANSWER = b'{"status": "ok"}\n'


class AnswersNoise(Answers):
    ANSWER = b"\xff\x00\x1b[31m\n"


class HangsUp(Good):
    """Closes the channel of its answer and continues."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.close(_channel())
        time.sleep(600)
        return x


class CoreLimit(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        raise RuntimeError(repr(resource.getrlimit(resource.RLIMIT_CORE)))


class Compiler(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        raise RuntimeError(f"torch's compiler: {'torch._dynamo' in sys.modules}")


class Surroundings(Good):
    """Fails with a message about everything that another implementation may have changed."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        found = (
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.mkldnn.enabled,
            torch.get_float32_matmul_precision(),
            torch.initial_seed(),
            os.environ.get("HOSTILE"),
            os.getcwd(),
            "hostile_trace" in sys.modules,
        )
        raise RuntimeError(repr(found))


class ChangesItsSurroundings(Good):
    """Changes every global state that it can reach."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_grad_enabled(True)
        torch.use_deterministic_algorithms(True)
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
        torch.set_float32_matmul_precision("medium")
        torch.manual_seed(4711)
        os.environ["HOSTILE"] = "1"
        os.environ["OMP_NUM_THREADS"] = "7"
        os.chdir("/")
        sys.modules["hostile_trace"] = sys


class TellsItsTimes(Good):
    """Writes start, end and process of each call to the file named by TELLS_ITS_TIMES."""

    def forward(self, x: torch.Tensor, key_padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        began = time.monotonic()
        out = super().forward(x, key_padding_mask)
        with open(os.environ["TELLS_ITS_TIMES"], "a", encoding="ascii") as file:
            file.write(f"{os.getpid()} {began} {time.monotonic()}\n")
        return out


class TakesItsTime(Good):
    """Is slow, but correct."""

    def forward(self, x: torch.Tensor, key_padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        time.sleep(0.25)
        return super().forward(x, key_padding_mask)


class SleepsByLength(Good):
    """Takes ten milliseconds for each position."""

    def forward(self, x: torch.Tensor, key_padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        time.sleep(0.01 * x.shape[1] if x.device.type == "cpu" else 0)
        return super().forward(x, key_padding_mask)


class Stalls(Good):
    """Has a shell stop its process for 80 ms in every fourth call in a row after a pause: calls on a schedule."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.paused = 0
        self.ended = time.monotonic()

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        self.paused = self.paused + 1 if time.monotonic() - self.ended > 0.008 else 0
        if self.paused == 4:
            self.paused = 0
            os.system(f"kill -STOP {os.getpid()}; sleep 0.08; kill -CONT {os.getpid()}")
        output = super().forward(x)
        self.ended = time.monotonic()
        return output
