// Which method keeps the reader's budgets: Python's sentences, filled in for limits that only the reader knows.

function say(template, values) {
  return data.choice.templates[template].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// The budgets that are set, each with its limit, a row's value and how both are written.
function budgetsOf(state) {
  const names = data.choice.budgets;
  return [
    { name: names.latency_p99, limit: state.latency, words: secondsWords, valueOf: (row) => time("p99_high", row) },
    { name: names.memory, limit: state.memory, words: sizeWords, valueOf: memoryOf },
    { name: names.error_smooth, limit: state.error, words: errorWords, valueOf: (row) => value("smooth", row) },
  ].filter((budget) => budget.limit !== null);
}

// The latency that a budget is held against: the bound of the 99th percentile, or the median where there is none.
function budgetsAt(state, rows) {
  const budgets = budgetsOf(state);
  const unbounded = rows.length > 0 && rows.every((row) => time("p99_high", row) === null);
  return budgets.map((budget) =>
    budget.name === data.choice.budgets.latency_p99 && unbounded
      ? Object.assign({}, budget, { name: data.choice.median, valueOf: (row) => time("median", row) })
      : budget,
  );
}

// The budgets that a row breaks, and those of which nothing is known of it; a value equal to its limit keeps it.
function breaches(budgets, row) {
  const measured = budgets.filter((budget) => budget.valueOf(row) !== null);
  return {
    broken: measured.filter((budget) => budget.valueOf(row) > budget.limit),
    unknown: budgets.filter((budget) => budget.valueOf(row) === null),
  };
}

function choose(rows, budgets) {
  const found = { within: [], leaders: [], over: [], unmeasured: [] };
  rows.forEach(function (row) {
    const { broken, unknown } = breaches(budgets, row);
    if (broken.length) {
      found.over.push([row, broken]);
    } else if (unknown.length) {
      found.unmeasured.push([row, unknown]);
    } else {
      found.within.push(row);
    }
  });
  found.leaders = found.within.filter((row) => row === found.within[0] || tied(found.within[0], row));
  return found;
}

function costsWords(reference, row) {
  const curve = curveOf(row);
  const parts = [latencyWords(row)];
  const speedup = curve.method === reference ? null : against(reference, row);
  if (speedup) {
    parts.push(say("as_fast", { speedup: speedupWithInterval(speedup), reference: reference }));
  }
  parts.push(memoryOf(row) === null ? say("no_memory", {}) : memoryWords(row));
  parts.push(curve.exact ? say("exact", {}) : say("error", { error: smoothWords(row) }));
  return say("costs", { name: curve.name, parts: parts.join(", ") });
}

function whyNone(found) {
  const counts = { over: found.over.length, unmeasured: found.unmeasured.length };
  if (!counts.unmeasured) {
    return say("none_keeps", {});
  }
  return counts.over ? say(counts.over === 1 ? "one_breaks" : "some_break", counts) : say("none_measured", {});
}

// The answer to the core question at a place within budgets, and what it leaves unsaid.
function verdict(place, reference, rows, budgets) {
  const found = choose(rows, budgets);
  const limits = budgets.map((budget) => say("limit", { budget: budget.name, amount: budget.words(budget.limit) }));
  const said = { place: place, within: say("within", { limits: limits.join(", ") }) };
  return { answer: verdictWords(found, reference, budgets, said), details: remarks(found, reference) };
}

function verdictWords(found, reference, budgets, said) {
  if (!found.within.length) {
    return say("nobody", Object.assign(said, { why: whyNone(found) }));
  }
  if (found.leaders.length > 1) {
    const names = found.leaders.map((row) => costsWords(reference, row)).join(", ");
    return say("no_winner", Object.assign(said, { names: names }));
  }
  const [leader] = found.leaders;
  const settled = curveOf(leader).exact || budgets.some((budget) => budget.name === data.choice.budgets.error_smooth);
  return say(settled ? "ship" : "fastest", Object.assign(said, { costs: costsWords(reference, leader) }));
}

function remarks(found, reference) {
  const lines = [];
  const exact = found.within.find((row) => curveOf(row).exact);
  if (exact !== undefined && !found.leaders.includes(exact)) {
    lines.push(say("fastest_exact", { costs: costsWords(reference, exact) }));
  }
  found.over.forEach(function ([row, broken]) {
    const words = broken.map((budget) => {
      const [amount, limit] = [budget.valueOf(row), budget.limit].map(budget.words);
      return say("broken", { budget: budget.name, amount: amount, limit: limit });
    });
    lines.push(say("over", { name: curveOf(row).name, broken: words.join(", ") }));
  });
  found.unmeasured.forEach(function ([row, unknown]) {
    const names = unknown.map((budget) => budget.name).join(", ");
    lines.push(say("unmeasured", { budgets: names, name: curveOf(row).name }));
  });
  return lines;
}
