"""With --no-skips, which CI sets, whatever is skipped fails, but for what needs a GPU."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

RAN = "def test_it():\n    pass\n"
IN_A_TEST = "import pytest\n\ndef test_it():\n    pytest.skip('no such thing')\n"
WHOLE_MODULE = f"import pytest\n\npytest.importorskip('no_such_module')\n\n{RAN}"
BY_A_MARK = f"import pytest\n\npytestmark = pytest.mark.skipif(True, reason='no such thing')\n\n{RAN}"
EXPECTED = f"import pytest\n\n@pytest.mark.xfail\n{RAN.replace('pass', 'assert False')}"
ON_A_GPU = f"{BY_A_MARK}\ntest_it = pytest.mark.gpu(test_it)\n"


@pytest.mark.parametrize(
    ("test", "passes"),
    [(IN_A_TEST, False), (WHOLE_MODULE, False), (BY_A_MARK, False), (EXPECTED, True), (ON_A_GPU, True)],
    ids=["in a test", "whole module", "by a mark", "expected failure", "on a GPU"],
)
def test_what_is_skipped_fails_in_ci(test: str, passes: bool, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_ran=RAN, test_skipped=test)
    alone = pytester.runpytest_inprocess("-p", "tests.conftest")
    assert alone.ret == 0  # elsewhere, whoever lacks something tests the rest
    in_ci = pytester.runpytest_inprocess("-p", "tests.conftest", "--no-skips")
    assert (in_ci.ret == 0) is passes
    assert ("skipped, which CI does not allow" in in_ci.stdout.str()) is not passes
