// Formats and parses numbers exactly as dctbench/text/format.py and parse.py do; tests/browser/test_numbers.py compares
// the two.
/** @type {[number, string][]} */
const SECONDS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
/** @type {[number, string][]} */
const DECIMAL = [
  [1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"],
];

/**
 * Like toFixed, but a tie goes to the even digit, as in Python.
 * @param {number} value
 * @param {number} digits
 */
function toFixedHalfEven(value, digits) {
  const halves = value * 2 ** (digits + 1); // exact; an odd integer only for a tie
  if (Number.isInteger(halves) && halves % 2 !== 0) {
    const below = Math.floor(value * 10 ** digits);
    return ((below % 2 === 0 ? below : below + 1) / 10 ** digits).toFixed(digits);
  }
  return value.toFixed(digits);
}

/**
 * Like toExponential, but the exponent has at least two digits, as in Python: 1.2e-07.
 * @param {number} value
 * @param {number} digits
 */
function toExponentialPadded(value, digits) {
  return value.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
}

/** @param {number} value */
function formatThreeDigits(value) {
  if (value === 0) {
    return "0";
  }
  const size = Math.abs(value);
  return toFixedHalfEven(value, size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3);
}

/** @param {number} value */
function secondUnit(value) {
  return SECONDS.find(([least]) => Math.abs(value) >= least * 0.9995) || SECONDS[3];
}

/** @param {number} value */
function formatSeconds(value) {
  const [scale, unit] = secondUnit(value);
  return formatThreeDigits(value / scale) + " " + unit;
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function formatSecondsWithInterval(value, low, high) {
  const [scale, unit] = secondUnit(value);
  const known = value / 10 <= low && low <= high && high <= 10 * value;
  const ends = known ? [low, high].map((end) => formatThreeDigits(end / scale)).join("-") : ">10x off";
  return formatThreeDigits(value / scale) + " " + unit + " (" + ends + ")";
}

/** @param {number} value in bytes */
function formatSize(value) {
  let step = 0;
  while (Math.abs(value) >= 1023.5 && step < BINARY.length - 1) {
    value /= 1024;
    step += 1;
  }
  return step ? formatThreeDigits(value) + " " + BINARY[step] : toFixedHalfEven(value, 0) + " B";
}

/**
 * The decimal multiple that suits a value, and its prefix.
 * @param {number} value
 * @returns {[number, string]}
 */
function decimalPrefix(value) {
  const found = DECIMAL.find(([least]) => Math.abs(value) >= least * 0.9995) || DECIMAL[DECIMAL.length - 1];
  return value === 0 ? [1, ""] : found;
}

/**
 * @param {number} value
 * @param {string} unit
 */
function formatCount(value, unit) {
  const [scale, prefix] = decimalPrefix(value);
  return formatThreeDigits(value / scale) + " " + prefix + unit;
}

/**
 * So many significant digits at most, as Python's .2g.
 * @param {number} value
 * @param {number} digits
 */
function toSignificant(value, digits) {
  const short = toExponentialPadded(value, digits - 1); // the exponent is that of the rounded value
  const power = Number(short.split("e")[1]);
  if (power < -4 || power >= digits) {
    return short.replace(/\.?0*e/, "e");
  }
  const text = toFixedHalfEven(value, digits - 1 - power);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** @param {number} value */
function formatRatio(value) {
  if (value >= 9.995) {
    return toFixedHalfEven(value, 1) + "x";
  }
  return (value >= 0.095 ? toFixedHalfEven(value, 2) : toSignificant(value, 2)) + "x";
}

/**
 * A share that may be small.
 * @param {number} share
 */
function formatProportion(share) {
  const scaled = share * 100;
  if (scaled === 0 || scaled >= 9.95) {
    return toFixedHalfEven(scaled, 0) + "%";
  }
  return (scaled >= 0.995 ? toFixedHalfEven(scaled, 1) : toSignificant(scaled, 2)) + "%";
}

/**
 * An upper bound of a share, rounded up so that it does not claim too much.
 * @param {number} share
 */
function formatAtMost(share) {
  const scaled = share * 100;
  if (scaled === 0) {
    return formatProportion(share);
  }
  const step = scaled >= 9.95 ? 1 : scaled >= 0.995 ? 0.1 : 10 ** (Math.floor(Math.log10(scaled)) - 1);
  return formatProportion((Math.ceil(Number(toFixedHalfEven(scaled / step, 6))) * step) / 100);
}

/** @param {number} share */
function formatPercent(share) {
  const scaled = share * 100;
  return toFixedHalfEven(scaled, scaled >= 0.05 && scaled < 0.95 ? 1 : 0) + "%";
}

/** @param {number} value */
function formatRelativeError(value) {
  if (value < 1e-3) {
    return toExponentialPadded(value, 0);
  }
  return value < 0.00995 ? toFixedHalfEven(value, 4) : formatThreeDigits(value);
}

// All digits that matter, for two values that are written alike.
/** @param {number} value */
function formatInFull(value) {
  return toSignificant(value, 6);
}

/** @param {number} share */
function formatShareInFull(share) {
  return toSignificant(share * 100, 6) + "%";
}

/** @param {number} seconds */
function formatSecondsInFull(seconds) {
  return toSignificant(seconds, 6) + " s";
}

/** @param {number} size in bytes */
function formatSizeInFull(size) {
  return toFixedHalfEven(size, 0).replace(/\B(?=(\d{3})+$)/g, ",") + " B";
}

const DURATION = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(us|µs|ms|s|m|min|h)$/;
/** @type {Record<string, number>} */
const UNIT_SECONDS = { us: 1e-6, "µs": 1e-6, ms: 1e-3, s: 1, m: 60, min: 60, h: 3600 };
const MAX_DURATION = 14 * 86400; // s
const SIZE = /^([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(B|[kKMGT]i?B?)$/;
/** @type {Record<string, number>} */
const POWERS = { k: 1, K: 1, M: 2, G: 3, T: 4 };
const SHARE = /^([0-9]{1,9}(?:\.[0-9]{1,9})?(?:e-?[0-9]{1,2})?)(%)?$/;

// Each parser returns null for a text that the command line rejects.
/**
 * @param {string} text such as 10ms
 * @returns {number | null}
 */
function parseDuration(text) {
  const match = DURATION.exec(text.trim());
  const value = match ? Number(match[1]) * UNIT_SECONDS[match[2]] : 0;
  return value > 0 && value <= MAX_DURATION ? value : null;
}

/**
 * @param {string} text such as 64MiB
 * @returns {number | null} in bytes
 */
function parseSize(text) {
  const match = SIZE.exec(text.trim());
  if (!match) {
    return null;
  }
  const unit = match[2];
  const base = unit.slice(1) === "B" ? 1000 : 1024;
  const value = Number(match[1]) * (unit === "B" ? 1 : base ** POWERS[unit[0]]);
  return value > 0 ? value : null;
}

/**
 * @param {string} text such as 5% or 0.05
 * @returns {number | null}
 */
function parseShare(text) {
  const match = SHARE.exec(text.trim());
  // A bare 10 probably means 10%, so it is rejected instead of being read as 1000%.
  if (!match || (!match[2] && Number(match[1]) >= 1)) {
    return null;
  }
  return Number(match[1]) / (match[2] ? 100 : 1);
}
