// The verdicts at the chosen place: Python's sentences, and one for the reader's own budgets.
const MOST_NAMED = 6;
let cardsShown = null;

function card(question, answer, details) {
  const list = details.length ? make("ul", {}, ...someOf(details).map((line) => make("li", {}, ...unbroken(line)))) : null;
  return make("article", {}, make("h2", {}, question), make("p", {}, ...unbroken(answer)), list);
}

// As many lines as a card can hold, and how many more there are.
function someOf(lines) {
  const more = "and " + (lines.length - MOST_NAMED + 1) + " more";
  return lines.length <= MOST_NAMED ? lines : [...lines.slice(0, MOST_NAMED - 1), more];
}

function fillCards() {
  const made = cardsHere();
  const texts = made.map((element) => element.outerHTML).join();
  if (texts !== cardsShown) {
    cardsShown = texts; // unchanged they stay: a screen reader would read them all again
    byId("cards").replaceChildren(...made);
  }
}

function budgetCard() {
  const rows = ranked(state.setting, state.n).filter((row) => ofRatio(curveOf(row)));
  const budgets = budgetsAt(state, rows);
  if (!budgets.length) {
    return null;
  }
  if (!rows.length) {
    return card("Which fits my budgets?", "Nothing was timed at " + state.at + ".", []);
  }
  const found = verdict(state.at, state.reference, rows, budgets);
  return card("Which fits my budgets?", found.answer, found.details);
}

function cardsHere() {
  const { costs, against: said } = state.setting;
  const places = said[state.reference || ""].places;
  const made = [budgetCard()];
  const [fast, cost] = [data.questions.fastest, data.questions.cost].map((question) => question + ofAllRatios());
  if (places[state.n]) {
    const [fastest, leanest] = places[state.n].map(sentence);
    const others = Object.keys(places).filter((n) => Number(n) !== state.n);
    const details = others.map((n) => "n = " + n + ": " + sentence(places[n][0]));
    made.push(card(fast, "At " + sentence(costs[state.n][0]) + ", " + fastest + ".", details));
    made.push(payoffCard(), card(cost, leanest, costs[state.n].slice(1).map(sentence)));
  } else {
    made.push(card(fast, "Nothing was timed at " + state.at + ".", []), payoffCard());
  }
  const run = data.runs[state.setting.run];
  made.push(card(data.questions.whole, run.coverage, [run.trust]));
  return made.filter(Boolean);
}

// Python's sentences on a place are about every method there, also where the reader has chosen a ratio.
function ofAllRatios() {
  return state.ratio === null ? "" : " (of all ratios)";
}

function payoffCard() {
  const lines = state.setting.against[state.reference || ""].payoffs;
  const curves = data.curves.filter((curve) => curve.family === "dct" && ofRatio(curve));
  const names = new Set(curves.map((curve) => curve.name));
  const dct = lines.filter(([name]) => names.has(name)).map(([, code]) => sentence(code));
  return dct.length ? card(data.questions.pays, dct[0] + ".", dct.slice(1)) : null;
}

// Sentences that stand in the sections, for the curves that are shown.
function fillSentences() {
  const setting = state.setting;
  const names = new Set(data.curves.filter(shown).map((curve) => curve.name));
  const lines = (pairs) => pairs.filter(([name]) => names.has(name)).map(([, code]) => sentence(code));
  fillLines("payoffs", lines(setting.against[state.reference || ""].payoffs));
  fillLines("misfits", lines(setting.misfits));
  fillLines("scalings", lines(setting.scalings));
  fillLines("roofs", ranked(setting, state.n).filter((row) => value("rate", row) !== null && shown(curveOf(row))).map(roofLine));
  fillLines("energy", setting.energy.map(sentence));
  document.querySelector('[data-say="nearest"]').textContent = setting.nearest[state.n] ? sentence(setting.nearest[state.n]) : "";
  document.querySelectorAll("[data-run]").forEach((part) => (part.hidden = Number(part.dataset.run) !== setting.run));
  document.querySelectorAll('[data-say="reference"]').forEach((place) => (place.textContent = state.reference));
  document.querySelectorAll('[data-say="at"]').forEach((place) => (place.textContent = " at " + state.at));
}
