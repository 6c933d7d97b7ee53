"""Models of the package transformers that are on this machine: `hf:FOLDER` or `hf:NAME`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from dctbench.catalog import HF_PREFIX
from dctbench.conversion.subject import Inputs, Purpose, Subject
from dctbench.conversion.texts import running_text
from dctbench.errors import UnavailableError, UnsupportedError, text_of


def transformers() -> Any:
    """Import the package.

    Raises:
        UnavailableError: when it is not installed.
    """
    try:
        package: Any = import_module("transformers")
    except ImportError:
        raise UnavailableError(
            "--model hf: needs the package transformers", hint="pip install 'dctbench[transformers]'"
        ) from None
    package.logging.set_verbosity_error()
    package.logging.disable_progress_bar()
    return package


def load_pretrained(target: str, evaluate: Any = None) -> Subject:
    """Load a model, and its tokenizer for the inputs, without any download.

    Args:
        target: `hf:FOLDER`, or `hf:NAME` of a model that was downloaded before.
        evaluate: as in `Subject`.

    Raises:
        UnavailableError: when the package or the model is not on this machine.
    """
    package, name = transformers(), target.removeprefix(HF_PREFIX)
    try:
        model = package.AutoModel.from_pretrained(name, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"{target}: no such model on this machine: {text_of(error).splitlines()[0][:200]}",
            hint="dctbench downloads nothing; fetch it first, such as: hf download NAME",
        ) from None
    most = getattr(model.config, "max_position_embeddings", None)

    @cache
    def tokens(purpose: Purpose) -> Tensor:
        try:
            tokenizer = package.AutoTokenizer.from_pretrained(name, local_files_only=True)
        except (OSError, ValueError) as error:
            raise UnsupportedError(
                f"{target}: it has no tokenizer, so dctbench does not know its inputs: {text_of(error).splitlines()[0]}"
            ) from None
        return torch.tensor(tokenizer(running_text(purpose), add_special_tokens=False, verbose=False)["input_ids"])

    def inputs(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        if isinstance(most, int) and seq_len > most:
            raise UnsupportedError(f"n = {seq_len} is more than the {most} positions of the model")
        text = tokens(purpose)
        start = number * batch * seq_len % max(1, len(text) - batch * seq_len)
        ids = text[start : start + batch * seq_len]
        if len(ids) < batch * seq_len:
            raise UnsupportedError(f"a batch of {batch} at n = {seq_len} is more text than the standard library has")
        return (), {"input_ids": ids.view(batch, seq_len)}

    return Subject(target, model.eval(), inputs, evaluate)
