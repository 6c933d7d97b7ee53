// Which method keeps the reader's budgets. The sentences are those of dctbench/wording/recommendation.py.

/**
 * A template with its {names} replaced by values.
 * @param {string} template
 * @param {Record<string, string | number>} values
 */
function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/**
 * @param {string} name of a template
 * @param {Record<string, string | number>} [values]
 */
function phrase(name, values = {}) {
  return fill(data.choice.templates[name], values);
}

/**
 * The budgets that are set.
 * @returns {Budget[]}
 */
function activeBudgets() {
  const names = data.choice.budgets;
  /** @type {[string, number | null, Budget["format"], Budget["format"], Budget["valueOf"]][]} */
  const known = [
    [names.latency_p99, state.latency, formatSeconds, formatSecondsInFull, (row) => secondsAt("p99_high", row)],
    [names.memory, state.memory, formatSize, formatSizeInFull, measuredMemory],
    [names.error_smooth, state.error, formatRelativeError, formatInFull, (row) => valueAt("smooth", row) ?? valueAt("int8", row)],
    [names.miss_rate, state.late, formatAtMost, formatShareInFull, (row) => valueAt("miss_rate", row)],
  ];
  return known.flatMap(([name, limit, format, formatInFull, valueOf]) =>
    limit === null ? [] : [{ name, limit, format, formatInFull, valueOf }],
  );
}

/**
 * The budgets for some rows. The latency budget applies to the upper bound of p99, or to the latency if none of the rows
 * has a p99.
 * @param {Row[]} rows
 */
function budgetsFor(rows) {
  const withoutTail = rows.length > 0 && rows.every((row) => secondsAt("p99_high", row) === null);
  return activeBudgets().map(function (budget) {
    const usesMean = withoutTail && budget.name === data.choice.budgets.latency_p99;
    /** @type {Budget["valueOf"]} */
    const mean = (row) => secondsAt("mean", row);
    return usesMean ? { ...budget, name: data.choice.mean, valueOf: mean } : budget;
  });
}

/**
 * The budgets that a row breaks, and those for which it has no value. A value equal to the limit keeps the budget.
 * @param {Budget[]} budgets
 * @param {Row} row
 */
function checkBudgets(budgets, row) {
  /** @type {{ broken: Budget[], unknown: Budget[] }} */
  const found = { broken: [], unknown: [] };
  budgets.forEach(function (budget) {
    const value = budget.valueOf(row);
    if (budget.name === data.choice.budgets.error_smooth && !approximates(curveOf(row))) {
      return; // its difference from exact attention is no error
    }
    if (value === null) {
      found.unknown.push(budget);
    } else if (value > budget.limit) {
      found.broken.push(budget);
    }
  });
  return found;
}

/**
 * @param {Row[]} rows a ranking
 * @param {Budget[]} budgets
 */
function sortByBudgets(rows, budgets) {
  /** @type {Budgeted} */
  const found = { within: [], leaders: [], over: [], unmeasured: [] };
  rows.forEach(function (row) {
    const { broken, unknown } = checkBudgets(budgets, row);
    if (broken.length) {
      found.over.push([row, broken]);
    } else if (unknown.length) {
      found.unmeasured.push([row, unknown]);
    } else {
      found.within.push(row);
    }
  });
  found.leaders = leadingRows(found.within);
  return found;
}

/**
 * Whether a row computes softmax attention itself, and not in int8. It is one of the chosen facet.
 * @param {Row} row
 */
function isExact(row) {
  return curveOf(row).exact && !state.facet.quantised;
}

/** @param {Row} row */
function costs(row) {
  const curve = curveOf(row);
  const parts = valueAt("late", row) === null ? [latencyCell(row)] : [latencyCell(row), lateCell(row)];
  const speedup = curve.method === state.reference ? null : speedupOver(state.reference, row);
  if (speedup) {
    parts.push(phrase("as_fast", { speedup: speedupWithInterval(speedup), reference: String(state.reference) }));
  }
  const memory = heldMemoryCell(row);
  parts.push(memory === "-" ? phrase("no_memory") : memory);
  parts.push(errorCosts(row));
  return phrase("costs", { name: curve.name, parts: parts.join(", ") });
}

/**
 * The error, or why the method has none.
 * @param {Row} row
 */
function errorCosts(row) {
  const curve = curveOf(row);
  if (isExact(row)) {
    return phrase("exact");
  }
  if (curve.exact) {
    const error = valueAt("int8", row);
    return error === null ? phrase("quantised_only") : phrase("quantised", { error: formatRelativeError(error) });
  }
  if (!approximates(curve)) {
    return phrase(curve.error_means);
  }
  return phrase(valueAt("smooth", row) === null ? "no_error" : "error", { error: smoothErrorCell(row) });
}

/** @param {Budget[]} budgets */
function limitsError(budgets) {
  return budgets.some((budget) => budget.name === data.choice.budgets.error_smooth);
}

/**
 * Whether a row is exact, or an error budget is set and says something of it.
 * @param {Row} row
 * @param {Budget[]} budgets
 */
function isErrorSettled(row, budgets) {
  return isExact(row) || (limitsError(budgets) && approximates(curveOf(row)));
}

/**
 * Why no row is within the budgets.
 * @param {Budgeted} found
 */
function reasonForNone(found) {
  const counts = { over: found.over.length, unmeasured: found.unmeasured.length };
  if (!counts.unmeasured) {
    return phrase("none_keeps");
  }
  return counts.over ? phrase(counts.over === 1 ? "one_breaks" : "some_break", counts) : phrase("none_measured");
}

/**
 * The place of a recommendation, and the budgets that it keeps.
 * @param {string} place the length and facet in words
 * @param {Budget[]} budgets
 */
function placeWithin(place, budgets) {
  const deadline = formatSeconds(state.facet.deadline ?? 0);
  const limits = budgets.map(function (budget) {
    const values = { budget: budget.name, amount: budget.format(budget.limit), deadline: deadline };
    return phrase(budget.name === data.choice.budgets.miss_rate ? "limit_late" : "limit", values);
  });
  return { place: place, within: limits.length ? phrase("within", { limits: limits.join(", ") }) : "" };
}

/**
 * What to ship within the budgets.
 * @param {string} place the length and facet in words
 * @param {Row[]} rows a ranking
 * @param {Budget[]} budgets
 * @returns {Recommendation}
 */
function recommend(place, rows, budgets) {
  const found = sortByBudgets(rows, budgets);
  return { answer: recommendationText(found, budgets, placeWithin(place, budgets)), details: remarks(found, budgets) };
}

/**
 * @param {Budgeted} found
 * @param {Budget[]} budgets
 * @param {{ place: string, within: string }} where
 */
function recommendationText(found, budgets, where) {
  if (!found.within.length) {
    return phrase("nobody", { ...where, why: reasonForNone(found) });
  }
  if (!roundsTell(found.within)) {
    return leastTime(where, found.within, "");
  }
  const unjudged = limitsError(budgets) ? unjudgedText(found) : "";
  if (found.leaders.length > 1) {
    return phrase("no_winner", { ...where, names: found.leaders.map(costs).join(", "), unjudged: unjudged });
  }
  const [leader] = found.leaders;
  return phrase(isErrorSettled(leader, budgets) ? "ship" : "fastest", { ...where, costs: costs(leader), unjudged: unjudged });
}

/**
 * Of which leaders a limit of the error says nothing, and which row that keeps it took the least time.
 * @param {Budgeted} found
 */
function unjudgedText(found) {
  const isJudged = (/** @type {Row} */ row) => approximates(curveOf(row)) || isExact(row);
  const names = found.leaders.filter((row) => !isJudged(row)).map((row) => curveOf(row).name);
  const judged = found.within.find(isJudged);
  if (!names.length) {
    return "";
  }
  const values = { names: names.join(", "), judged: judged === undefined ? "" : curveOf(judged).name };
  return phrase(judged === undefined ? "leader_unjudged" : "leader_unjudged_but", values);
}

/**
 * How a row breaks a budget. A value and a limit that are written alike are written in full.
 * @param {Budget} budget
 * @param {Row} row
 */
function breachText(budget, row) {
  const values = [budget.valueOf(row) ?? NaN, budget.limit];
  const texts = values.map(budget.format);
  const [amount, limit] = texts[0] === texts[1] ? values.map(budget.formatInFull) : texts;
  const template = budget.name === data.choice.budgets.miss_rate ? "broken_late" : "broken";
  return phrase(template, { budget: budget.name, amount: amount, limit: limit });
}

/**
 * @param {Budgeted} found
 * @param {Budget[]} budgets
 */
function remarks(found, budgets) {
  const lines = [];
  const named = roundsTell(found.within) ? found.leaders : found.within.slice(0, 1);
  const exact = found.within.filter((row) => curveOf(row).exact);
  if (exact.length && !named.includes(exact[0])) {
    lines.push(phrase(roundsTellOne(exact) ? "fastest_exact" : "least_exact", { costs: costs(exact[0]) }));
  }
  const judged = found.within.filter((row) => approximates(curveOf(row)));
  if (limitsError(budgets) && judged.length && judged[0] !== exact[0] && !named.includes(judged[0])) {
    lines.push(phrase(roundsTellOne(judged) ? "fastest_judged" : "least_judged", { costs: costs(judged[0]) }));
  }
  found.over.forEach(function ([row, broken]) {
    const breaches = broken.map((budget) => breachText(budget, row));
    lines.push(phrase("over", { name: curveOf(row).name, broken: breaches.join(", ") }));
  });
  found.unmeasured.forEach(function ([row, unknown]) {
    const names = unknown.map((budget) => budget.name).join(", ");
    lines.push(phrase("unmeasured", { budgets: names, name: curveOf(row).name }));
  });
  found.within.forEach(function (row) {
    if (limitsError(budgets) && !approximates(curveOf(row))) {
      lines.push(phrase("unjudged", { name: curveOf(row).name, why: errorCosts(row) }));
    }
  });
  return lines;
}
