// The bar at the top of the screen: the choices, and in its summary what is shown.
/** @type {Record<string, string>} */
const AXIS_LABELS = { head_dim: "head dim" };
const TIMES = new Set(["period", "deadline"]);
const BUDGETS = [
  { name: "latency", label: "max latency", example: "10ms", parse: parseDuration, accepted: "a time such as 10ms or 500us" },
  { name: "memory", label: "max memory", example: "64MiB", parse: parseSize, accepted: "a size such as 64MiB or 2GiB" },
  { name: "error", label: "max error", example: "5%", parse: parseShare, accepted: "a share such as 5% or 0.05" },
  { name: "late", label: "max late", example: "1%", parse: parseShare, accepted: "a share such as 1% or 0.01" },
];

/**
 * @param {string} label
 * @param {HTMLElement} control
 */
function labelled(label, control) {
  return make("label", { class: "field" }, make("span", {}, label), control);
}

/**
 * @param {string} name
 * @param {string} label
 * @param {[string, string][]} options value and text of each
 * @param {string} current
 * @param {(value: string) => void} onChoose
 */
function selectField(name, label, options, current, onChoose) {
  const select = make("select", { name: name, onchange: () => onChoose(select.value) });
  select.append(...options.map(([value, text]) => make("option", { value: value, selected: value === current }, text)));
  return labelled(label, select);
}

/**
 * Numbers by size, other values by their text.
 * @param {string | number | null} a
 * @param {string | number | null} b
 */
function compareValues(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

/**
 * @param {string} axis
 * @param {string | number | null} value
 */
function axisText(axis, value) {
  if (value === null) {
    return axis === "threads" ? "default" : "-";
  }
  return TIMES.has(axis) ? formatSeconds(Number(value)) : String(value);
}

function axisFields() {
  const ofRun = data.facets.filter((facet) => facet.run === state.facet.run);
  return data.axes.map(function (axis) {
    const values = Array.from(new Set(ofRun.map((facet) => facet.axes[axis]))).sort(compareValues);
    const options = values.map((value) => pair(String(value), axisText(axis, value)));
    return selectField(axis, AXIS_LABELS[axis] || axis, options, String(state.facet.axes[axis]), (text) => chooseAxis(axis, text));
  });
}

/**
 * @param {string} value
 * @param {string} [text] the value if left out
 * @returns {[string, string]}
 */
function pair(value, text = value) {
  return [value, text];
}

/** @param {typeof BUDGETS[number]} budget */
function budgetField({ name, label, example, parse, accepted }) {
  const text = choices[name] || "";
  const wrong = text !== "" && parse(text) === null;
  const input = make("input", { name: name, type: "text", size: 8, placeholder: example, value: text, autocomplete: "off" });
  input.addEventListener("change", () => choose({ [name]: input.value.trim() }));
  if (wrong) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "wrong-" + name);
  }
  const hint = wrong ? make("small", { id: "wrong-" + name, class: "wrong" }, "not " + accepted) : null;
  return make("div", { class: "field" }, labelled(label, input), hint);
}

/** @param {Event} event */
function copyLink(event) {
  const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
  const done = () => {
    button.textContent = "Link copied";
  };
  const failed = () => {
    window.prompt("The link to this view:", window.location.href);
  };
  // A page that is opened over plain HTTP has no clipboard.
  if (navigator.clipboard) {
    navigator.clipboard.writeText(window.location.href).then(done, failed);
  } else {
    failed();
  }
}

function barFields() {
  const runs = data.runs.map((run, number) => pair(String(number), run.title));
  const lengths = state.facet.lengths.map((n) => pair(String(n)));
  const ratios = [pair("", "all"), ...state.ratios.map((ratio) => pair(String(ratio)))];
  const references = data.references.map((name) => pair(name));
  const numbers = [pair("", "all"), ...state.numbers.map((number) => pair(String(number)))];
  const [ratio, kept, reference] = [String(state.ratio ?? ""), String(state.kept ?? ""), String(state.reference)];
  return [
    runs.length > 1 ? selectField("run", "run", runs, String(state.facet.run), (text) => chooseRun(Number(text))) : null,
    ...axisFields(),
    selectField("n", "n", lengths, String(state.n), (text) => choose({ n: text })),
    ratios.length > 2 ? selectField("ratio", "ratio", ratios, ratio, (text) => choose({ ratio: text })) : null,
    numbers.length > 2 ? selectField("kept", "kept", numbers, kept, (text) => choose({ kept: text })) : null,
    references.length > 1
      ? selectField("reference", "reference", references, reference, (text) => choose({ reference: text }))
      : null,
    ...BUDGETS.filter(({ name }) => name !== "late" || state.facet.deadline !== null).map(budgetField),
    make("button", { type: "button", onclick: copyLink }, "Copy link"),
    make("button", { type: "button", onclick: resetChoices, disabled: Object.keys(choices).length === 0 }, "Reset"),
  ].filter(isPresent);
}

function resetChoices() {
  choose(Object.fromEntries(Object.keys(choices).map((name) => [name, ""])));
}

/** Rebuild the bar, and return the focus to where it was. */
function renderBar() {
  const form = byId("choices");
  const focused = focusedElement();
  const name = form.contains(focused) ? focused?.getAttribute("name") : null;
  const button = findAll("button", form).findIndex((one) => one === focused);
  updateChildren(form, barFields());
  if (name) {
    findAll("[name]", form).find((one) => one.getAttribute("name") === name)?.focus();
  } else if (button >= 0) {
    findAll("button", form)[button].focus();
  }
  byId("chosen").textContent = [
    data.runs.length > 1 ? data.runs[state.facet.run].title : null,
    state.at,
    state.reference ? "vs " + state.reference : null,
    ...chosenCompression(),
    ...activeBudgets().map(function (budget) {
      const late = budget.name === data.choice.budgets.miss_rate ? " late" : "";
      return "≤ " + budget.format(budget.limit) + late;
    }),
  ].filter(isPresent).join(" · ");
}

/**
 * A group of radio buttons, such as mean, p95, p99.
 * @param {"tail" | "kind" | "differences"} name
 * @param {[string, string][]} options value and text of each
 */
function renderToggle(name, options) {
  const group = find('[data-toggle="' + name + '"]');
  const focused = focusedElement();
  const value = focused instanceof HTMLInputElement && group.contains(focused) ? focused.value : null;
  const radios = options.map(function ([given, text]) {
    const radio = make("input", { type: "radio", name: name, value: given, onchange: () => choose({ [name]: given }) });
    radio.checked = state[name] === given;
    return make("label", {}, radio, text);
  });
  updateChildren(group, [find("legend", group), ...radios]);
  if (value) {
    find('[value="' + value + '"]', group).focus();
  }
}

function renderToggles() {
  renderToggle("tail", [["mean", "mean"], ["p95", "p95"], ["p99", "p99"]]);
  renderToggle("kind", [["tensor", "tensors of a call"], ["process", state.facet.process]]);
  renderToggle("differences", [["errors", "where it is an error"], ["all", "of every method"]]);
}
