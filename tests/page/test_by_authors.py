"""The section on the protocol of DCT-Former's authors, for readers with and without scripts."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from dctbench.page.html import html
from dctbench.wording import by_authors
from tests.page.test_html import page, recorded, without_scripts
from tests.support.made import RUN
from tests.wording.test_by_authors import BOTH, NEITHER


def test_each_method_by_both_protocols_is_a_row_of_the_page() -> None:
    text = without_scripts(html([recorded(RUN, [*BOTH, NEITHER])]))
    assert by_authors.TITLE in unescape(text)
    assert "n = 128, batch 4" in text
    row = "".join(f"<td>{cell}</td>" for cell in ("2.00 ms", "3.00 ms", "1.50x", "2.00 MiB", "6.00 MiB", "3.00x", "3"))
    assert f'<th scope="row">full</th>{row}' in text


def test_a_run_by_our_protocol_alone_has_no_such_section() -> None:
    assert by_authors.TITLE not in unescape(without_scripts(page()))


def test_of_several_runs_each_has_its_own_part_which_the_page_shows_with_the_run() -> None:
    other = replace(RUN, id="fedcba9876543210", label="later")
    text = without_scripts(html([recorded(RUN, BOTH), recorded(other, BOTH), recorded(RUN, [NEITHER])]))
    section = text[text.index('aria-labelledby="h-by-authors"') :].partition("</section>")[0]
    assert re.findall(r'data-runs="(\d)"', section) == ["0", "1"]
    labels = re.findall(r'aria-label="([^"]+)"', section)
    assert len(labels) == len(set(labels)) == 2
