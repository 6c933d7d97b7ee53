"""Implementations whose messages and output hold what nobody should read, or too much."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from tests.support.hostile import Good
else:
    from hostile import Good  # a worker finds this folder on its path, and not the root of the tests


class TellsSecrets(Good):
    """Fails with a message that holds what it finds: a file of the home folder, the host and a variable."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        raise RuntimeError(telling())


class PrintsSecretsAndVanishes(Good):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        os.write(2, f"{telling()}\n".encode())
        os._exit(9)


def telling() -> str:
    """Return a text with markup, a path in the home folder, the host name and the value of a variable."""
    folder, token = os.environ["HOME"], os.environ.get("PLANTED_TOKEN")
    found = f"{folder}/notes/w.pt on {socket.gethostname()} {token}"
    return f"<img src=x onerror=alert(1)> ![x](//x.example) @octocat #12 {found}"


class CommandsTheRunner(Good):
    """Fails with a message that a GitHub runner would obey, and prints the same."""

    COMMANDS = (
        "a\n::error::owned\n  ::stop-commands::x\n##[error]owned ##[group]x\n::set-output name=a::b\r::warning::c"
    )

    def forward(self, x: torch.Tensor, key_padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        print(self.COMMANDS, flush=True)
        raise RuntimeError(self.COMMANDS)


class TellsItsVariables(Good):
    """Fails with the names of the environment variables that have one of two values."""

    def forward(self, x: torch.Tensor, key_padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        raise RuntimeError(" ".join(sorted(name for name in os.environ if os.environ[name] in ("pl4nted", "given"))))


class PrintsWithoutEnd(Good):
    """Prints for ever."""

    def forward(self, x: torch.Tensor, key_padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        while True:
            os.write(1, b"noise" * 10_000)


class PrintsMuchAndDies(Good):
    """Prints 20 MB, and at the end why it dies."""

    def forward(self, x: torch.Tensor, key_padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        for _ in range(400):
            os.write(2, b"noise" * 10_000)
        os.write(2, b"the last word")
        os._exit(7)
