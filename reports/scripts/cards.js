// The cards: the verdicts for the chosen length and facet, and one for the reader's own budgets.
const MAX_CARD_LINES = 6;
/** @type {string | null} */
let renderedCards = null;

/**
 * @param {string} question
 * @param {string} answer
 * @param {string[]} details
 */
function cardElement(question, answer, details) {
  const items = limitLines(details).map((line) => make("li", {}, ...keepNumbersTogether(line)));
  const list = items.length ? make("ul", {}, ...items) : null;
  return make("article", {}, make("h2", {}, question), make("p", {}, ...keepNumbersTogether(answer)), list);
}

/**
 * As many lines as a card can hold, and how many more there are.
 * @param {string[]} lines
 */
function limitLines(lines) {
  const more = "and " + (lines.length - MAX_CARD_LINES + 1) + " more";
  return lines.length <= MAX_CARD_LINES ? lines : [...lines.slice(0, MAX_CARD_LINES - 1), more];
}

function renderCards() {
  const cards = [budgetCard(), ...verdictCards()].filter(isPresent);
  const texts = cards.map((element) => element.outerHTML).join();
  if (texts !== renderedCards) {
    renderedCards = texts; // replacing equal cards would make a screen reader read them again
    byId("cards").replaceChildren(...cards);
  }
}

function budgetCard() {
  const rows = rankedRows(state.facet, state.n).filter((row) => keepsAsChosen(curveOf(row)));
  const budgets = budgetsFor(rows);
  if (!budgets.length) {
    return null;
  }
  const question = "Which method fits my budgets?";
  if (!rows.length) {
    return cardElement(question, "Nothing was timed at " + state.at + ".", []);
  }
  const { answer, details } = recommend(state.at, rows, budgets);
  return cardElement(question, answer, details);
}

/** The cards that Python renders too. */
function verdictCards() {
  const { shapes } = state.facet.by_reference[state.reference || ""];
  const { fastest, cost, whole } = data.questions;
  const run = data.runs[state.facet.run];
  const last = cardElement(whole, run.coverage, [run.stability]);
  if (!shapes[state.n]) {
    return [cardElement(fastest + allCompressionsSuffix(), "Nothing was timed at " + state.at + ".", []), payoffCard(), last];
  }
  const [fastestHere, leanestHere] = shapes[state.n].map(sentence);
  const [at, ...costLines] = state.facet.costs[state.n].map(sentence);
  const others = Object.keys(shapes).map(Number).filter((n) => n !== state.n);
  const details = others.map((n) => "n = " + n + ": " + sentence(shapes[n][0]));
  return [
    cardElement(fastest + allCompressionsSuffix(), "At " + at + ", " + fastestHere + ".", details),
    payoffCard(),
    cardElement(cost + allCompressionsSuffix(), leanestHere, costLines),
    last,
  ];
}

/** A remark for a chosen ratio or number kept: the sentences of Python are about the methods of all. */
function allCompressionsSuffix() {
  return (state.ratio === null ? "" : " (of all ratios)") + (state.kept === null ? "" : " (of all numbers kept)");
}

function payoffCard() {
  const names = new Set(data.curves.filter((curve) => curve.family === "dct" && keepsAsChosen(curve)).map((curve) => curve.name));
  const lines = state.facet.by_reference[state.reference || ""].payoffs.filter(([name]) => names.has(name));
  const [first, ...others] = lines.map(([, code]) => sentence(code));
  return first === undefined ? null : cardElement(data.questions.pays, first + ".", others);
}

/** Fill the sentences inside the sections, for the shown curves. */
function renderSections() {
  const facet = state.facet;
  const names = new Set(data.curves.filter(isShown).map((curve) => curve.name));
  const linesOf = (/** @type {Line[]} */ lines) => lines.filter(([name]) => names.has(name)).map(([, code]) => sentence(code));
  const placed = rankedRows(facet, state.n).filter((row) => valueAt("rate", row) !== null && isShown(curveOf(row)));
  renderList("payoffs", linesOf(facet.by_reference[state.reference || ""].payoffs));
  renderList("misfits", linesOf(facet.misfits));
  renderList("scalings", linesOf(facet.scalings));
  renderList("roofs", placed.map(rooflineSentence));
  renderList("energy", facet.energy.map(sentence));
  find('[data-text="nearest"]').textContent = facet.nearest[state.n] ? sentence(facet.nearest[state.n]) : "";
  findAll("[data-run]").forEach((part) => (part.hidden = Number(part.dataset.run) !== facet.run));
  findAll('[data-text="reference"]').forEach((element) => (element.textContent = state.reference));
  findAll('[data-text="at"]').forEach((element) => (element.textContent = " at " + state.at));
}
