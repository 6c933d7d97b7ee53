// The bar that stays in sight: what is shown, and the choices of it.
const AXIS_WORDS = { head_dim: "head dim" };
const BUDGETS = [
  ["latency", "max latency", "10ms", readSeconds, "a time such as 10ms or 500us"],
  ["memory", "max memory", "64MiB", readSize, "a size such as 64MiB or 2GiB"],
  ["error", "max error", "5%", readShare, "a share such as 5% or 0.05"],
];

function field(label, control) {
  return make("label", { class: "field" }, make("span", {}, label), control);
}

// A list of choices; `options` are pairs of value and text.
function choiceOf(name, label, options, current, choose) {
  const select = make("select", { name: name, onchange: () => choose(select.value) });
  select.append(...options.map(([given, text]) => make("option", { value: given, selected: given === current }, text)));
  return field(label, select);
}

function inOrder(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

function axisChoices() {
  const here = data.settings.filter((setting) => setting.run === state.setting.run);
  return data.axes.map(function (axis) {
    const values = Array.from(new Set(here.map((setting) => setting.axes[axis]))).sort(inOrder);
    const options = values.map((given) => [String(given), given === null ? "default" : String(given)]);
    return choiceOf(axis, AXIS_WORDS[axis] || axis, options, String(state.setting.axes[axis]), (text) => goAxis(axis, text));
  });
}

function budgetInput([name, label, example, read, accepted]) {
  const text = wanted[name] || "";
  const wrong = text !== "" && read(text) === null;
  const input = make("input", { name: name, type: "text", size: 8, placeholder: example, value: text, autocomplete: "off" });
  input.addEventListener("change", () => go({ [name]: input.value.trim() }));
  if (wrong) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "wrong-" + name);
  }
  const hint = wrong ? make("small", { id: "wrong-" + name, class: "wrong" }, "not " + accepted) : null;
  return make("div", { class: "field" }, field(label, input), hint);
}

function copyLink(event) {
  const button = event.currentTarget;
  const done = () => (button.textContent = "Link copied");
  const failed = () => window.prompt("The link to this view:", window.location.href);
  navigator.clipboard ? navigator.clipboard.writeText(window.location.href).then(done, failed) : failed();
}

function choices() {
  const runs = data.runs.map((run, number) => [String(number), run.title]);
  const lengths = state.setting.lengths.map((n) => [String(n), String(n)]);
  const ratios = [["", "all"]].concat(state.ratios.map((ratio) => [String(ratio), String(ratio)]));
  const references = data.references.map((name) => [name, name]);
  return [
    runs.length > 1 ? choiceOf("run", "run", runs, String(state.setting.run), (text) => goRun(Number(text))) : null,
    ...axisChoices(),
    choiceOf("n", "n", lengths, String(state.n), (text) => go({ n: text })),
    ratios.length > 2 ? choiceOf("ratio", "ratio", ratios, String(state.ratio ?? ""), (text) => go({ ratio: text })) : null,
    references.length > 1
      ? choiceOf("reference", "reference", references, state.reference, (text) => go({ reference: text }))
      : null,
    ...BUDGETS.map(budgetInput),
    make("button", { type: "button", onclick: copyLink }, "Copy link"),
    make("button", { type: "button", onclick: reset, disabled: Object.keys(wanted).length === 0 }, "Reset"),
  ].filter(Boolean);
}

function reset() {
  go(Object.fromEntries(Object.keys(wanted).map((name) => [name, ""])));
}

// The controls anew, with the focus where it was.
function fillBar() {
  const form = byId("choices");
  const focused = form.contains(document.activeElement) ? document.activeElement.name : null;
  const place = Array.from(form.querySelectorAll("button")).indexOf(document.activeElement);
  form.replaceChildren(...choices());
  if (focused) {
    form.elements[focused]?.focus(); // a choice that there is no more of is gone
  } else if (place >= 0) {
    form.querySelectorAll("button")[place].focus();
  }
  const parts = [state.at, state.reference ? "vs " + state.reference : null, state.ratio === null ? null : "ratio " + state.ratio];
  const run = data.runs.length > 1 ? [data.runs[state.setting.run].title] : [];
  const limits = budgetsOf(state).map((budget) => "≤ " + budget.words(budget.limit));
  byId("chosen").textContent = run.concat(parts.filter(Boolean), limits).join(" · ");
}

// A group of buttons of which one is pressed, such as median, p95, p99.
function fillToggle(name, options) {
  const group = document.querySelector('[data-toggle="' + name + '"]');
  if (!group) {
    return;
  }
  const focused = group.contains(document.activeElement) ? document.activeElement.value : null;
  const radios = options.map(function ([given, text]) {
    const radio = make("input", { type: "radio", name: name, value: given, onchange: () => go({ [name]: given }) });
    radio.checked = state[name] === given;
    return make("label", {}, radio, text);
  });
  group.replaceChildren(group.querySelector("legend"), ...radios);
  if (focused) {
    group.querySelector('[value="' + focused + '"]').focus();
  }
}

function fillToggles() {
  fillToggle("tail", [["median", "median"], ["p95", "p95"], ["p99", "p99"]]);
  fillToggle("kind", [["tensor", "tensors of a call"], ["process", "growth of the process"]]);
}
