"""The reader's choices: they apply everywhere, are kept in the URL, and get the answers that Python gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from dctbench import analysis
from dctbench.analysis import Budgets
from dctbench.analysis.accuracy import task_results
from dctbench.analysis.decision import NOTHING_LEARNED, Accuracies, decide
from dctbench.model import Result, ResultDetails
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import decision as first_screen
from dctbench.wording import recommendation
from dctbench.wording.labels import Labels
from tests.analysis.test_deadlines import SWEEP
from tests.browser.conftest import MIB, ROOF, recorded, written
from tests.support.browser import screen, settled, texts
from tests.support.made import in_two_rounds, result
from tests.support.trained import whole_suite

TRACES = """
const element = document.getElementById(arguments[0]);
return Object.fromEntries(element.data.map((trace) => [trace.name, Array.from(trace.y)]));
"""


@pytest.fixture
def opened(browser: webdriver.Chrome, page: str) -> webdriver.Chrome:
    screen(browser, 1280)
    browser.get(page)
    settled(browser, "latency")
    return browser


def pick(browser: webdriver.Chrome, name: str, value: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"#choices [name={name}] option[value='{value}']").click()


def toggle(browser: webdriver.Chrome, name: str, value: str) -> None:
    button = browser.find_element(By.CSS_SELECTOR, f"input[name={name}][value={value}]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def budget(browser: webdriver.Chrome, name: str, text: str) -> None:
    field = browser.find_element(By.CSS_SELECTOR, f"#choices [name={name}]")
    field.send_keys(Keys.CONTROL, "a")  # clear() would be a choice of its own
    field.send_keys(text, Keys.TAB)


def type_into(browser: webdriver.Chrome, text: str) -> None:
    """Type into the search field without scrolling to it."""
    field = browser.find_element(By.ID, "find")
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    browser.execute_script(script, field, text)


def traces(browser: webdriver.Chrome, figure: str) -> dict[str, list[float | None]]:
    settled(browser, figure)
    return browser.execute_script(TRACES, figure)  # type: ignore[no-any-return]


def decision(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.ID, "decision").text


def said(browser: webdriver.Chrome, name: str) -> str:
    """A sentence inside a section."""
    return browser.find_element(By.CSS_SELECTOR, f"[data-text={name}]").text


def test_a_choice_reaches_sentences_charts_and_table_and_a_link_restores_it(
    opened: webdriver.Chrome, page: str
) -> None:
    pick(opened, "batch", "4")
    pick(opened, "n", "512")
    assert "At n = 512, batch 4: ship sdpa" in decision(opened)
    assert "At n = 512, batch 4, keep sdpa: fastest" in said(opened, "fastest")
    assert {name: len(y) for name, y in traces(opened, "latency").items()} == {"sdpa": 2, "dct-x r=8": 2}
    settled(opened, "table")
    assert opened.find_element(By.ID, "found").text == "4 of 20 results (batch 4)"
    link, shown = opened.current_url, decision(opened)
    opened.get("about:blank")
    opened.get(link)
    assert decision(opened) == shown
    assert link.startswith(f"{page}#")
    chosen = opened.find_elements(By.CSS_SELECTOR, "#choices select")
    assert {one.get_attribute("name"): one.get_attribute("value") for one in chosen} == {
        "batch": "4", "n": "512", "reference": "sdpa",
    }  # fmt: skip


def test_back_takes_a_choice_back_and_forward_makes_it_again(opened: webdriver.Chrome) -> None:
    first = decision(opened)
    pick(opened, "n", "512")
    second = decision(opened)
    assert second != first
    opened.back()
    WebDriverWait(opened, 60).until(lambda b: decision(b) == first)
    opened.forward()
    WebDriverWait(opened, 60).until(lambda b: decision(b) == second)


def test_a_click_in_the_heatmap_takes_length_and_ratio_everywhere(opened: webdriver.Chrome) -> None:
    settled(opened, "speedup")
    plot = opened.find_element(By.CSS_SELECTOR, "#speedup .nsewdrag")
    names = opened.execute_script("return document.getElementById('speedup').data[0].y")
    row = names[::-1].index("dct-x r=4")  # from the top
    x, y = plot.size["width"] / 6, plot.size["height"] * ((row + 0.5) / len(names) - 0.5)
    ActionChains(opened).move_to_element_with_offset(plot, int(x - plot.size["width"] / 2), int(y)).click().perform()
    WebDriverWait(opened, 60).until(lambda b: "ratio=4" in b.current_url)
    assert "n=512" in opened.current_url
    assert "At n = 512" in decision(opened)
    assert set(traces(opened, "latency")) == {"sdpa", "dct-x r=4", "full", "fnet"}
    settled(opened, "table")
    assert not [text for text in texts(opened, "#window tbody th") if "r=8" in text]


def test_a_link_to_what_was_not_measured_opens_the_nearest_facet(opened: webdriver.Chrome, page: str) -> None:
    opened.get("about:blank")
    opened.get(f"{page}#n=999&batch=7&reference=nothing&ratio=3&tail=x&run=9")
    assert "At n = 2048, batch 1" in decision(opened)
    assert opened.get_log("browser") == []


def test_a_method_hidden_in_one_chart_is_hidden_in_all(opened: webdriver.Chrome) -> None:
    opened.find_element(By.CSS_SELECTOR, "[data-legend] button[value='linformer r=8']").click()
    toggle(opened, "differences", "all")
    for figure in ("latency", "memory", "pareto"):
        assert "linformer r=8" not in traces(opened, figure)
    pressed = opened.find_elements(By.CSS_SELECTOR, "[data-legend] button[value='linformer r=8']")
    assert len(pressed) > 2
    assert [one.get_attribute("aria-pressed") for one in pressed] == ["false"] * len(pressed)
    assert not [line for line in texts(opened, "[data-list] li") if line.startswith("linformer")]


def test_tails_and_kinds_of_memory_are_chosen_and_a_missing_one_is_explained(opened: webdriver.Chrome) -> None:
    toggle(opened, "tail", "p99")
    missing = opened.find_element(By.CSS_SELECTOR, "[data-note=latency]")
    assert missing.text == (
        "Nothing has a p99 with batch 1. A p95 needs 20 samples, a p99 299, and each sample has to be a single call."
    )
    pick(opened, "batch", "4")
    assert not missing.is_displayed()
    median = traces(opened, "latency")["sdpa"]
    tensors = traces(opened, "memory")["sdpa"]
    toggle(opened, "kind", "process")
    assert [b - a for a, b in zip(tensors, traces(opened, "memory")["sdpa"], strict=True)] == [4092, 4092]  # type: ignore[operator]
    toggle(opened, "tail", "mean")
    assert all(a < b for a, b in zip(traces(opened, "latency")["sdpa"], median, strict=True))  # type: ignore[operator]


def test_a_difference_that_is_no_error_is_shown_on_request_and_marked(opened: webdriver.Chrome) -> None:
    cells = "//tr[contains(., 'linformer r=8')]/td[contains(., 'untrained')]"
    settled(opened, "pareto")
    assert "No method here approximates" in opened.find_element(By.CSS_SELECTOR, "[data-note=pareto]").text
    assert {cell.text for cell in opened.find_elements(By.XPATH, cells)} == {"untrained"}
    toggle(opened, "differences", "all")
    shown = traces(opened, "pareto")
    assert {"linformer r=8", "dct-x r=8"} <= set(shown)
    assert shown["Pareto front"] == [pytest.approx(3e-7)]  # of what approximates exact attention
    numbers = [cell.text.split() for cell in opened.find_elements(By.XPATH, cells)]
    assert numbers
    assert all(len(words) == 2 and words[0] != "untrained" for words in numbers)


@pytest.mark.parametrize(
    ("given", "budgets"),
    [
        ({"memory": "20MiB"}, Budgets(memory=20 * 2**20)),
        ({"memory": "16777220B"}, Budgets(memory=16 * 2**20 + 4)),
        ({"memory": "16777216B"}, Budgets(memory=16 * 2**20)),  # 4 B less than sdpa needs, which no short text shows
        ({"error": "5%"}, Budgets(error_smooth=0.05)),
        ({"error": "1e-9"}, Budgets(error_smooth=1e-9)),
        ({"memory": "1kB", "error": "2%"}, Budgets(memory=1000, error_smooth=0.02)),
        ({"latency": "2ms", "memory": "64MiB"}, Budgets(latency_p99=2e-3, memory=64 * 2**20)),
        ({"latency": "100us"}, Budgets(latency_p99=1e-4)),
    ],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_budgets_get_the_same_answer_as_from_choose(
    opened: webdriver.Chrome, reported: RecordedRun, given: dict[str, str], budgets: Budgets, batch: int
) -> None:
    pick(opened, "batch", str(batch))
    pick(opened, "n", "512")
    for name, text in given.items():
        budget(opened, name, text)
    answer, lines = opened.execute_script(
        "const c = document.querySelector('#decision');"
        "const lines = Array.from(c.querySelectorAll('#remarks li'));"
        "return [c.querySelector('p').textContent, lines.map((l) => l.textContent)]"
    )
    labels = Labels(s.case for s in reported.summaries)
    here = [s for s in reported.summaries if (s.case.seq_len, s.case.batch) == (512, batch)]
    [ranking] = analysis.rankings(here, "sdpa")
    found = analysis.choose(ranking, budgets)
    if budgets.latency_p99 is not None and batch == 1:
        assert recommendation.MEAN in answer
        return
    decided = decide(ranking, found)
    assert answer == first_screen.sentence(ranking, found, decided, budgets, labels, NOTHING_LEARNED)
    assert lines == recommendation.remarks(ranking, found, budgets)[: len(lines)]
    assert len(lines) >= len(found.over) + len(found.unmeasured)


def test_a_deadline_is_a_budget_that_engine_length_and_rate_can_change(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    found = recorded(SWEEP)
    screen(browser, 1280)
    browser.get(written(html([found]), tmp_path))
    settled(browser, "latency")
    labels = Labels(s.case for s in found.summaries)

    def expected(engine: str, n: int, rate: float) -> str:
        here = [s for s in found.summaries if (s.case.seq_len, s.case.engine) == (n, engine)]
        [ranking] = analysis.rankings(here, "sdpa")
        budgets = Budgets(miss_rate=rate)
        choice = analysis.choose(ranking, budgets)
        return first_screen.sentence(ranking, choice, decide(ranking, choice), budgets, labels, NOTHING_LEARNED)

    def answer() -> str:
        return browser.find_element(By.ID, "recommendation").text

    assert answer() == expected("onnxruntime", 2048, 0.01)
    pick(browser, "engine", "eager")
    pick(browser, "n", "1024")
    assert answer() == expected("eager", 1024, 0.01)
    assert "no method can be recommended" in answer()
    assert texts(browser, "#decided tbody td:nth-child(4)") == [
        "3 of 300 late, at most 2.6%",
        "90 of 300 late, at most 35%",
    ]
    budget(browser, "late", "5")  # no share, so that the deadline keeps its usual limit
    assert answer() == expected("eager", 1024, 0.01)
    budget(browser, "late", "3%")
    assert answer() == expected("eager", 1024, 0.03)
    assert "the fastest is dct-x r=8" in answer()


def test_the_errors_of_a_bundle_are_told_as_choose_tells_them(browser: webdriver.Chrome, tmp_path: Path) -> None:
    def bundled(name: str, seconds: float, n: int, values: dict[str, float], ratio: float | None = None) -> Result:
        measured = {metric: ("1", value) for metric, value in values.items()}
        return result(name, n, seconds, ratio=ratio, engine="onnxruntime-int8", values=measured)

    engine = {"error.engine": 0.031}
    made = [bundled("sdpa", 1e-3, 512, engine), bundled("dct-x", 4e-3, 512, engine, 4)]
    made += [bundled("sdpa", 1e-3, 1024, {}), bundled("sdpa", 1e-3, 2048, {"error.smooth": 0.024, **engine})]
    made += [bundled("sdpa", 4e-3, 4096, {}), bundled("nystromformer", 1e-3, 4096, engine, 4)]
    found = recorded(in_two_rounds(made))
    screen(browser, 1280)
    browser.get(written(html([found]), tmp_path))
    settled(browser, "latency")
    labels = Labels(s.case for s in found.summaries)
    answers = {}
    for n in (512, 1024, 2048, 4096):
        pick(browser, "n", str(n))
        [ranking] = analysis.rankings([s for s in found.summaries if s.case.seq_len == n], "sdpa")
        choice = analysis.choose(ranking, Budgets())
        answers[n] = browser.find_element(By.ID, "recommendation").text
        decided = decide(ranking, choice)
        assert answers[n] == first_screen.sentence(ranking, choice, decided, Budgets(), labels, NOTHING_LEARNED)
    assert "exact but for int8, relative error 0.031)" in answers[512]
    assert "exact but for int8)" in answers[1024]
    assert "exact but for int8, relative error 0.024)" in answers[2048]
    assert "error not measured)" in answers[4096]
    pick(browser, "n", "512")
    [ranking] = analysis.rankings([s for s in found.summaries if s.case.seq_len == 512], "sdpa")
    for limit, text in ((0.05, "5%"), (0.031, "3.1%"), (0.03, "3%")):
        budgets = Budgets(error_smooth=limit)
        choice = analysis.choose(ranking, budgets)
        budget(browser, "error", text)
        told = browser.find_element(By.ID, "recommendation").text
        assert told == first_screen.sentence(ranking, choice, decide(ranking, choice), budgets, labels, NOTHING_LEARNED)


def test_tab_and_a_click_after_a_typed_budget_reach_what_they_were_meant_for(opened: webdriver.Chrome) -> None:
    opened.find_element(By.CSS_SELECTOR, "#choices [name=latency]").send_keys("1s", Keys.TAB)
    opened.switch_to.active_element.send_keys("1GiB", Keys.TAB)
    opened.switch_to.active_element.send_keys("50%")
    legend = opened.find_element(By.CSS_SELECTOR, "[data-legend=latency] button[value='dct-x r=8']")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", legend)
    ActionChains(opened).move_to_element(legend).click_and_hold().pause(0.1).release().perform()
    for choice in ("latency=1s", "memory=1GiB", "error=50%25", "hide=dct-x"):
        assert choice in opened.current_url


def medians(name: str, n: int, seconds: Sequence[float], ratio: float | None = None) -> list[Result]:
    """A case with a median for each round."""
    return [result(name, n, took, ratio=ratio, round=number) for number, took in enumerate(seconds, 1)]


def test_the_reference_is_shown_beside_six_that_share_the_first_place(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    many = ("dct-x", "pool", "linformer", "window", "linear", "fnet", "performer")
    made = medians("sdpa", 512, [9e-3, 9.01e-3, 9.02e-3])
    for number, name in enumerate(many):
        made += medians(
            name, 512, [(1 + (number + turn) % 3) * 1e-3 for turn in range(3)], 8 if name != "fnet" else None
        )
    found = recorded(made)
    [ranking] = analysis.rankings(found.summaries, "sdpa")
    decided = decide(ranking, analysis.choose(ranking, Budgets()))
    assert len(decided.leaders) == len(many)
    screen(browser, 1280)
    browser.get(written(html([found]), tmp_path))
    settled(browser, "latency")
    shown = [text.partition("\n")[0] for text in texts(browser, "#decided tbody th")]
    assert shown == [summary.case.name for summary in decided.shown]
    assert "sdpa" in shown


UNTOLD = [
    *medians("sdpa", 512, [2e-3]), *medians("full", 512, [3e-3]), *medians("dct-x", 512, [1e-3], 8),
    *medians("sdpa", 1024, [2e-3, 2.02e-3]), *medians("full", 1024, [3e-3]), *medians("dct-x", 1024, [1e-3], 8),
    *medians("sdpa", 2048, [1e-3, 1.02e-3, 1.01e-3]), *medians("dct-x", 2048, [0.6e-3, 1.3e-3, 0.9e-3], 8),
    *medians("sdpa", 4096, [2e-3, 2.02e-3, 2.01e-3]), *medians("dct-x", 4096, [0.6e-3, 5.3e-3, 0.9e-3], 8),
    *medians("dct-x", 4096, [1.9e-3, 1.91e-3, 1.9e-3], 4),
]  # fmt: skip
"""One round of all, one of some, a faster method that is not told apart, and another behind it that is."""


@pytest.mark.parametrize("trainings", [[], whole_suite()], ids=["not trained", "trained"])
def test_what_rounds_do_not_tell_is_not_told(
    browser: webdriver.Chrome, tmp_path: Path, trainings: list[Result]
) -> None:
    found = recorded([*UNTOLD, *trainings])
    screen(browser, 1280)
    browser.get(written(html([found]), tmp_path))
    settled(browser, "latency")
    known = Accuracies(tuple(task_results(found.summaries))) if trainings else NOTHING_LEARNED
    labels = Labels(s.case for s in found.summaries)
    for n in (512, 1024, 2048, 4096):
        pick(browser, "n", str(n))
        [ranking] = [one for one in analysis.rankings(found.summaries, "sdpa") if one.seq_len == n]
        choice = analysis.choose(ranking, Budgets())
        decided = decide(ranking, choice, known)
        said = first_screen.sentence(ranking, choice, decided, Budgets(), labels, known)
        assert browser.find_element(By.ID, "recommendation").text == said
        why = {row.name: row.why for row in first_screen.rows(ranking, choice, decided, Budgets(), known)}
        names, reasons = (texts(browser, f"#decided tbody {cell}") for cell in ("th", "td:last-child"))
        assert dict(zip(names, reasons, strict=True)) == why


def test_a_budget_is_drawn_and_an_invalid_one_is_reported(opened: webdriver.Chrome) -> None:
    budget(opened, "latency", "2ms")
    assert traces(opened, "latency")["budget 2.00 ms"] == [2e-3, 2e-3]
    budget(opened, "memory", "64 apples")
    field = opened.find_element(By.CSS_SELECTOR, "#choices [name=memory]")
    assert field.get_attribute("aria-invalid") == "true"
    assert "not a size such as 64MiB or 2GiB" in opened.find_element(By.ID, "choices").text


def test_the_table_sorts_filters_and_opens_to_command_error_and_samples(opened: webdriver.Chrome) -> None:
    settled(opened, "table")
    opened.find_element(By.CSS_SELECTOR, "[data-sort=latency]").click()
    names = texts(opened, "#window tbody th")
    assert [name.removeprefix("▸ ") for name in names[:2]] == ["dct-x r=8", "dct-x r=4"]
    assert [name.removeprefix("▸ ") for name in names[-3:]] == ["fnet", "full", "full"]
    opened.find_element(By.CSS_SELECTOR, "[data-sort=latency]").click()
    assert texts(opened, "#window tbody th")[-3:] == names[-3:]
    opened.find_element(By.ID, "find").send_keys("full oom")
    assert texts(opened, "#window tbody th") == ["▸ full"]
    opened.find_element(By.CSS_SELECTOR, "#window tbody button").click()
    details = opened.find_element(By.CSS_SELECTOR, "tr.details").text
    assert "OOM (needs about 1.00 TiB of 131 GiB (estimate))" in details
    assert "dctbench run --impl full --seq 2048 --device cpu --dtype float32 --scope layer" in details
    find = opened.find_element(By.ID, "find")
    find.clear()
    find.send_keys("dct-x r=4 n=512")
    opened.find_element(By.CSS_SELECTOR, "#window tbody button").click()
    details = opened.find_element(By.CSS_SELECTOR, "tr.details").text
    assert "30 samples in the order taken" in details
    assert "latency: the samples' interquartile range is 12% of the median: quieten the machine" in details
    assert "find=dct-x+r%3D4+n%3D512" in opened.current_url


def test_a_table_scrolled_far_down_shows_what_a_search_leaves(browser: webdriver.Chrome, tmp_path: Path) -> None:
    found = [one for n in range(64, 64 * 1001, 64) for one in (result("sdpa", n, n * 1e-6),)]
    screen(browser, 1280)
    browser.get(written(html([recorded(found)]), tmp_path))
    settled(browser, "table")
    browser.execute_script("document.getElementById('window').scrollTop = 30000")
    WebDriverWait(browser, 30).until(lambda _: "▸ sdpa" in texts(browser, "#window tbody th"))
    type_into(browser, "n=6400")
    counted = browser.find_element(By.ID, "found").text
    assert counted.startswith("2 of 1000 results")  # 6400 and 64000
    assert texts(browser, "#window tbody th") == ["▸ sdpa"] * 2


def test_the_choice_of_a_ratio_holds_for_the_decision_and_going_back_never_breaks(opened: webdriver.Chrome) -> None:
    pick(opened, "ratio", "4")
    budget(opened, "memory", "500MiB")
    assert "dct-x r=4" in decision(opened)
    assert "dct-x r=8" not in decision(opened)
    assert said(opened, "fastest").endswith("(of all ratios).")
    find = opened.find_element(By.ID, "find")
    pick(opened, "n", "512")
    type_into(opened, "oom")  # "back" takes back the choice before it, and this with it
    opened.execute_script("arguments[0].focus(); history.back()", find)
    WebDriverWait(opened, 30).until(lambda _: find.get_attribute("value") == "")
    assert opened.get_log("browser") == []


def test_every_sentence_says_whether_it_is_about_the_chosen_ratio_or_about_all(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    def metered(name: str, seconds: float, mebibytes: int, ratio: float | None = None) -> Result:
        values = {"memory.tensor": ("B", mebibytes * MIB), "memory.state": ("B", 0.0), "energy": ("J", seconds)}
        one = result(name, 512, seconds, ratio=ratio, values=values)
        return replace(one, details=ResultDetails.from_json({"roofline": ROOF}))

    found = [metered("sdpa", 4e-3, 8), metered("dct-x", 2e-3, 4, 4), metered("dct-x", 1e-3, 2, 16)]
    browser.get(f"{written(html([recorded(in_two_rounds(found))]), tmp_path)}#ratio=4")
    assert browser.find_element(By.ID, "recommendation").text.startswith(
        "At n = 512, ratio 4: the fastest is dct-x r=4"
    )
    for name in ("fastest", "leanest", "nearest"):
        assert "dct-x r=16" in said(browser, name)
        assert said(browser, name).endswith(" (of all ratios).")
    assert [line.partition(" at ")[0] for line in texts(browser, "[data-list=energy] li")] == ["sdpa", "dct-x r=4"]
    for name in ("sdpa", "dct-x r=4"):
        legend = browser.find_element(By.CSS_SELECTOR, f"[data-legend=latency] button[value='{name}']")
        browser.execute_script("arguments[0].click()", legend)
    assert texts(browser, "[data-list=energy]") == ["Only methods that are not shown have an entry here."]


def test_a_number_kept_is_chosen_beside_the_ratio_and_leaves_the_methods_by_ratio(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    kept = [result("nystromformer", 512, 2e-3, kept=number) for number in (64, 256)]
    found = [result("sdpa", 512), *kept, *(result("dct-x", 512, 2e-3, ratio=ratio) for ratio in (4, 8))]
    screen(browser, 1280)
    browser.get(written(html([recorded(found)]), tmp_path))
    settled(browser, "table")
    pick(browser, "kept", "64")
    pick(browser, "ratio", "8")
    assert browser.find_element(By.ID, "chosen").text.endswith("ratio 8 · kept 64")
    settled(browser, "table")
    listed = texts(browser, "#window tbody th")
    assert listed == ["▸ sdpa", "▸ dct-x r=8", "▸ nystromformer kept=64"]
    cut = "return [...document.querySelectorAll('#window th')].filter((th) => th.scrollWidth > th.clientWidth).length"
    assert browser.execute_script(cut) == 0
    assert "kept=64" in browser.current_url


def test_an_unchanged_decision_is_not_replaced(opened: webdriver.Chrome) -> None:
    opened.execute_script("window.kept = document.querySelector('#decided tbody').firstElementChild")
    type_into(opened, "full")
    assert texts(opened, "#window tbody th")[0] == "▸ full"
    assert opened.execute_script("return document.querySelector('#decided tbody').firstElementChild === window.kept")
