"""How many random examples property tests take: fewer where they are the same at each run."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import ROOT

CODE = """
from hypothesis import settings
from tests import conftest
from tests.support.examples import at_length
print(settings().derandomize, at_length(1000).max_examples)
settings.load_profile("development")  # as --hypothesis-profile does after that
print(settings().derandomize, at_length(1000).max_examples)
"""


def test_a_job_of_a_ci_draws_the_same_examples_and_all_of_them_anew_only_if_it_asks_for_that() -> None:
    environ = os.environ | {"CI": "true"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == ["True 400", "False 1000"], done.stderr
