// The cells of a result, with the same text as in the table that Python renders.
/** @type {Record<Winner, string>} */
const WINNER_MARKS = { f: "▲", s: "▼", t: "=" };
/** @type {Record<string, string>} */
const SHORT_STATUS = { oom: "OOM", error: "failed" };

/**
 * The latency, or the accuracy of a training, which has none.
 * @param {Row} row
 */
function latencyCell(row) {
  const mean = secondsAt("mean", row);
  if (mean === null) {
    const accuracy = valueAt("accuracy", row);
    return accuracy === null ? "-" : "accuracy " + accuracy.toFixed(3);
  }
  if (valueAt("count", row) === 1) {
    return formatSeconds(mean); // one sample has no interval
  }
  const [below, above] = [numberAt("below", row), numberAt("above", row)];
  return formatSecondsWithInterval(mean, mean * (1 - below / 1000), mean * (1 + above / 1000));
}

/**
 * @param {Latency} name
 * @param {Row} row
 */
function timeCell(name, row) {
  const seconds = secondsAt(name, row);
  return seconds === null ? "-" : formatSeconds(seconds);
}

/**
 * @param {string | null} reference
 * @param {Row} row
 */
function speedupCell(reference, row) {
  if (curveOf(row).method === reference && secondsAt("mean", row) !== null) {
    return "1.00x";
  }
  const speedup = speedupOver(reference, row);
  if (speedup === null || speedup.low === null) {
    return speedup === null ? "-" : formatRatio(speedup.ratio); // a single round has no mark
  }
  return WINNER_MARKS[speedup.winner] + " " + formatRatio(speedup.ratio);
}

/** @param {SpeedupOfRow} speedup */
function speedupWithInterval(speedup) {
  if (speedup.low === null || speedup.high === null) {
    return formatRatio(speedup.ratio);
  }
  const [low, high] = [speedup.low, speedup.high].map((end) => formatRatio(end).slice(0, -1));
  return formatRatio(speedup.ratio) + " (" + low + "-" + high + ")";
}

/**
 * The measured memory. A row that ran out of memory has only an estimate.
 * @param {Row} row
 */
function measuredMemory(row) {
  return statusOf(row) === "oom" ? null : valueAt("memory", row);
}

/** @param {Row} row */
function memoryCell(row) {
  const size = measuredMemory(row);
  return size === null ? "-" : formatSize(size);
}

/**
 * The measured memory or, of a target without torch, that of the whole process.
 * @param {Row} row
 */
function heldMemoryCell(row) {
  const resident = valueAt("resident", row);
  return measuredMemory(row) === null && resident !== null ? formatSize(resident) + " resident" : memoryCell(row);
}

/**
 * How many calls were late, and the bound of their share.
 * @param {Row} row
 */
function lateCell(row) {
  const code = valueAt("late", row);
  return code === null ? "-" : sentence(code);
}

/** @param {Row} row */
function processCell(row) {
  const size = processBytes(row);
  return size === null ? "-" : formatSize(size);
}

/** @param {Row} row */
function flopsCell(row) {
  const millions = valueAt("flops", row);
  return millions === null ? "-" : formatCount(millions * MEGA, "FLOP");
}

/** @param {Row} row */
function smoothErrorCell(row) {
  return errorCell(valueAt("smooth", row), curveOf(row));
}

/** @param {Row} row */
function noiseErrorCell(row) {
  return errorCell(valueAt("noise", row), curveOf(row));
}

/**
 * What does not approximate exact attention shows its kind, and its difference from it only if the reader asks for that.
 * @param {number | null} error
 * @param {Curve} curve
 */
function errorCell(error, curve) {
  if (error === null) {
    return "-";
  }
  if (approximates(curve)) {
    return formatRelativeError(error);
  }
  return state.differences === "all" ? formatRelativeError(error) + " " + curve.error_means : curve.error_means;
}

/**
 * The error to compare and to sort by. The difference from exact attention is an error only of what approximates it.
 * @param {"smooth" | "noise"} name
 * @param {Row} row
 */
function comparableError(name, row) {
  return approximates(curveOf(row)) ? valueAt(name, row) : null;
}

/** @param {Curve} curve */
function approximates(curve) {
  return curve.error_means === "approximates";
}

/**
 * The number of samples, why sampling stopped, and how many warnings there are.
 * @param {Row} row
 */
function samplesCell(row) {
  const count = (valueAt("warnings", row) || []).length;
  const warnings = count ? " ⚠ " + count : "";
  return (valueAt("count", row) || 0) + " " + (wordAt("stop", data.rows.stops, row) || "") + warnings;
}

/**
 * The speed-up, or why there is none.
 * @param {string} reference
 * @param {Row} row
 */
function heatmapCell(reference, row) {
  const status = statusOf(row);
  if (status !== "ok") {
    return SHORT_STATUS[status] || status;
  }
  const there = referenceStatus(reference, row);
  if (there === null) {
    return "no reference";
  }
  return there === "ok" ? speedupCell(reference, row) : "reference " + (SHORT_STATUS[there] || there);
}
