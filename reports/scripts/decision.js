// The first screen: what to ship at the chosen length within the reader's budgets, and the methods that nothing else beats.
// The sentences are those of dctbench/wording/decision.py.
const MAX_DECIDED = 6;
const MAX_REMARKS = 6;
const LARGER = 1.05;
/** @type {string | null} */
let renderedDecision = null;

/**
 * As many lines as the first screen can hold, and how many more there are.
 * @param {string[]} lines
 */
function limitLines(lines) {
  const more = "and " + (lines.length - MAX_REMARKS + 1) + " more";
  return lines.length <= MAX_REMARKS ? lines : [...lines.slice(0, MAX_REMARKS - 1), more];
}

/**
 * The rows that may be the fastest of some, which are in order of latency.
 * @param {Row[]} rows
 */
function leadingRows(rows) {
  return rows.filter((row, place) => rows.slice(0, place).every((faster) => isTied(faster, row)));
}

/**
 * Whether rounds tell which of some rows may be the fastest of these. One round tells nothing apart: neither among rows that
 * all have one, nor that a row is the fastest of all while one of them has one.
 * @param {Row[]} rows in order of latency
 */
function roundsTell(rows) {
  const alone = countInOneRound(rows);
  return rows.length < 2 || (leadingRows(rows).length === 1 ? alone === 0 : alone < rows.length);
}

/**
 * Whether the first of some rows is told to be the fastest of these.
 * @param {Row[]} rows in order of latency
 */
function roundsTellOne(rows) {
  return roundsTell(rows) && leadingRows(rows).length === 1;
}

/** @param {Row[]} rows */
function countInOneRound(rows) {
  return rows.filter((row) => data.rows.alone[row] === "y").length;
}

/**
 * Whether a row is proven to take less time than each of some others, which are behind it.
 * @param {Row} faster
 * @param {Row[]} others
 */
function isSurelyFaster(faster, others) {
  const together = [faster, ...others];
  return roundsTell(together) && leadingRows(together).length === 1;
}

/**
 * Which of some rows took the least time, and why that does not tell which one is the fastest.
 * @param {{ place: string, within: string }} where
 * @param {Row[]} compared in order of latency
 * @param {string} among what they have in common
 */
function leastTime(where, compared, among) {
  const counts = { count: countInOneRound(compared), number: compared.length };
  const why = phrase(counts.count === counts.number ? "one_round" : "few_rounds", counts);
  return phrase("least", { ...where, costs: costs(compared[0]), among: among, why: why });
}

/** What the decision is about: the chosen length and facet, and the chosen ratio and number kept. */
function decidedPlace() {
  return [state.at, ...chosenCompression()].join(", ");
}

/** @returns {DecisionOfRows} */
function decideRows() {
  const rows = rankedRows(state.facet, state.n).filter((row) => keepsAsChosen(curveOf(row)));
  const budgets = budgetsFor(rows);
  const found = sortByBudgets(rows, budgets);
  const able = state.facet.learned ? found.within.filter((row) => worthOf(row)[0]) : found.within;
  const told = roundsTell(able);
  const leaders = told ? leadingRows(able) : able.slice(0, 1);
  const reference = rows.filter((row) => curveOf(row).method === state.reference);
  const standing = rows.filter((row) => data.rows.unbeaten[row] === "y");
  const chosen = new Set([...new Set([...reference, ...leaders, ...standing])].slice(0, MAX_DECIDED));
  return {
    rows: rows,
    budgets: budgets,
    found: found,
    able: able,
    told: told,
    leaders: leaders,
    shown: rows.filter((row) => chosen.has(row)),
    more: standing.filter((row) => !chosen.has(row)).length,
  };
}

/** @param {DecisionOfRows} decision */
function decisionSentence({ rows, budgets, found, able, told, leaders }) {
  if (!rows.length) {
    return phrase("nothing_timed", { place: decidedPlace() });
  }
  const { answer } = recommend(decidedPlace(), rows, budgets);
  if (!state.facet.learned) {
    const [alone, other] = leaders;
    const known = alone === undefined || other !== undefined || curveOf(alone).exact || approximates(curveOf(alone));
    if (known) {
      return answer;
    }
    return answer + (state.facet.quantised ? phrase("measure_int8") : phrase("measure", { how: curveOf(alone).how }));
  }
  if (!found.within.length) {
    return answer;
  }
  const where = placeWithin(decidedPlace(), budgets);
  if (!leaders.length) {
    return phrase("nobody", { ...where, why: phrase(where.within ? "none_safe" : "none_at_all_safe") });
  }
  const names = leaders.map(costs).join(", ");
  const several = { ...where, names: names, unjudged: "" };
  const named = leaders.length === 1 ? phrase("ship", { ...where, costs: names }) : phrase("no_winner", several);
  const ship = told ? named : leastTime(where, able, phrase("among_safe"));
  const faster = found.within.slice(0, found.within.indexOf(leaders[0])).find((row) => isSurelyFaster(row, leaders));
  if (faster === undefined) {
    return ship;
  }
  const words = { name: curveOf(faster).name, latency: latencyCell(faster), why: worthOf(faster)[2] };
  return ship + phrase("faster", words);
}

/**
 * Why one would take a row, or would not.
 * @param {DecisionOfRows} decision
 * @param {Row} row
 */
function reasonsFor({ budgets, found, told, leaders }, row) {
  const known = state.facet.learned || isErrorSettled(row, budgets);
  const leads = known ? "recommended" : leaders.length === 1 ? "unproven" : "unproven_tied";
  const reasons = leaders.includes(row) ? [phrase(told ? leads : "least_time")] : [];
  const [, broken] = found.over.find(([over]) => over === row) ?? [row, []];
  if (broken.length) {
    reasons.push(phrase("over_budget", { broken: broken.map((budget) => breachText(budget, row)).join(", ") }));
  }
  const worth = worthOf(row)[2];
  return [...reasons, ...(worth ? [worth] : []), ...dearer(row, leaders[0])].join("; ");
}

/**
 * How much more a row needs than the first that is recommended.
 * @param {Row} row
 * @param {Row | undefined} first
 */
function dearer(row, first) {
  if (first === undefined || first === row) {
    return [];
  }
  const lines = [];
  const name = curveOf(first).name;
  const [own, best] = [timesAsFast(row), timesAsFast(first)];
  // The speed-ups of the table are paired by round, which matters where methods have different numbers of rounds.
  const slower =
    own === null || best === null ? (valueAt("mean", row) ?? 0) / (valueAt("mean", first) ?? Infinity) : best / own;
  const larger = (measuredMemory(row) || 0) / (measuredMemory(first) || Infinity);
  if (slower > 1) {
    lines.push(phrase("slower", { factor: formatRatio(slower), name: name }));
  }
  if (larger >= LARGER) {
    lines.push(phrase("larger", { factor: formatRatio(larger), name: name }));
  }
  return lines;
}

/**
 * How many times as fast as the reference a row is, or null if the two cannot be compared.
 * @param {Row} row
 */
function timesAsFast(row) {
  return curveOf(row).method === state.reference ? 1 : (speedupOver(state.reference, row)?.ratio ?? null);
}

/**
 * @param {DecisionOfRows} decision
 * @param {Row} row
 */
function decisionRow(decision, row) {
  const curve = curveOf(row);
  const speedup = speedupOver(state.reference, row);
  const same = curve.method === state.reference;
  const cells = [
    same ? "1.00x" : speedup === null ? "-" : speedupWithInterval(speedup),
    latencyCell(row),
    ...(state.facet.deadline === null ? [] : [lateCell(row)]),
    heldMemoryCell(row),
    worthOf(row)[1],
    approximates(curve) && !isExact(row) ? smoothErrorCell(row) : "-",
    reasonsFor(decision, row),
  ];
  const wide = new Set([-3, -1]); // accuracy, and why
  const titles = decisionTitles();
  const made = cells.map(function (cell, place) {
    const attributes = { class: wide.has(place - cells.length) && "why", "data-title": titles[place] };
    return make("td", attributes, ...keepNumbersTogether(cell));
  });
  return make("tr", { class: decision.leaders.includes(row) && "here" }, make("th", { scope: "row" }, curve.name), ...made);
}

/** The titles of the columns after the first. On a narrow screen each cell shows its own. */
function decisionTitles() {
  const late = state.facet.deadline === null ? [] : ["late"];
  const speedup = state.reference ? "vs " + state.reference : "speed-up";
  return [speedup, "latency", ...late, "memory", "accuracy", "error", "why, or why not"];
}

/** Whether the reader has set a budget. */
function typedBudget() {
  const late = state.facet.deadline !== null && choices.late;
  return [choices.latency, choices.memory, choices.error, late].some(Boolean);
}

function renderDecision() {
  const decision = decideRows();
  const answer = decisionSentence(decision);
  const { details } = recommend(decidedPlace(), decision.rows, decision.budgets);
  const lines = typedBudget() ? limitLines(details) : []; // the table has all about the deadline
  const rows = decision.shown.map((row) => decisionRow(decision, row));
  const more = decision.more ? phrase("not_shown", { count: decision.more }) : "";
  const texts = [answer, ...lines, ...rows.map((row) => row.outerHTML), more].join("\n");
  if (texts === renderedDecision) {
    return; // replacing equal texts would make a screen reader read them again
  }
  renderedDecision = texts;
  byId("recommendation").replaceChildren(...keepNumbersTogether(answer));
  byId("remarks").replaceChildren(...lines.map((line) => make("li", {}, ...keepNumbersTogether(line))));
  byId("remarks").hidden = !lines.length;
  find("#decided tbody").replaceChildren(...rows);
  find("#decided thead th:nth-child(2)").textContent = decisionTitles()[0];
  find("#decided thead .late").hidden = state.facet.deadline === null;
  byId("decided").hidden = !rows.length;
  byId("undecided").textContent = more;
  byId("undecided").hidden = !more;
}
