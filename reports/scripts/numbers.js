// Numbers in words and back, as the terminal writes and reads them: tests hold these functions against Python's.
const SECONDS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["", "k", "M", "G", "T", "P", "E"];

// Like toFixed, but a number that lies exactly between two goes to the even one, as in Python.
function fixed(value, digits) {
  const halves = value * 2 ** (digits + 1); // exact; an odd whole number only where the value lies between two
  if (Number.isInteger(halves) && halves % 2 !== 0) {
    const below = Math.floor(value * 10 ** digits);
    return ((below % 2 === 0 ? below : below + 1) / 10 ** digits).toFixed(digits);
  }
  return value.toFixed(digits);
}

// 1.2e-7 as 1.2e-07: an exponent of two digits at least.
function exponential(value, digits) {
  return value.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
}

function threeDigits(value) {
  if (value === 0) {
    return "0";
  }
  const size = Math.abs(value);
  return fixed(value, size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3);
}

function secondsWords(value) {
  const [scale, unit] = SECONDS.find(([least]) => Math.abs(value) >= least * 0.9995) || SECONDS[3];
  return threeDigits(value / scale) + " " + unit;
}

function sizeWords(value) {
  let step = 0;
  while (Math.abs(value) >= 1023.5 && step < BINARY.length - 1) {
    value /= 1024;
    step += 1;
  }
  return step ? threeDigits(value) + " " + BINARY[step] : fixed(value, 0) + " B";
}

function countWords(value, unit) {
  let step = 0;
  while (Math.abs(value) >= 999.5 && step < DECIMAL.length - 1) {
    value /= 1000;
    step += 1;
  }
  return threeDigits(value) + " " + DECIMAL[step] + unit;
}

function ratioWords(value) {
  if (value >= 9.995) {
    return fixed(value, 1) + "x";
  }
  if (value >= 0.095) {
    return fixed(value, 2) + "x";
  }
  const short = exponential(value, 1); // its exponent is that of the rounded value
  const power = Number(short.split("e")[1]);
  return (power < -4 ? short.replace(".0e", "e") : fixed(value, 1 - power).replace(/0+$/, "")) + "x";
}

function percentWords(share) {
  const scaled = share * 100;
  return fixed(scaled, scaled >= 0.05 && scaled < 0.95 ? 1 : 0) + "%";
}

function errorWords(value) {
  return value < 1e-3 ? exponential(value, 0) : threeDigits(value);
}

function widthWords(relativeHalfWidth) {
  return relativeHalfWidth < 1 ? "±" + percentWords(relativeHalfWidth) : "±>100%";
}

const DURATION = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(us|µs|ms|s|m|min|h)?$/;
const UNIT_SECONDS = { us: 1e-6, "µs": 1e-6, ms: 1e-3, s: 1, m: 60, min: 60, h: 3600 };
const SIZE = /^([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(B|[kKMGT]i?B?)?$/;
const POWERS = { k: 1, K: 1, M: 2, G: 3, T: 4 };
const SHARE = /^([0-9]{1,9}(?:\.[0-9]{1,9})?(?:e-?[0-9]{1,2})?)(%)?$/;

// Each reads what a person types and gives null for anything else, zero included where it would admit nothing.
function readSeconds(text) {
  const match = DURATION.exec(text.trim());
  const value = match ? Number(match[1]) * UNIT_SECONDS[match[2] || "s"] : 0;
  return value > 0 ? value : null;
}

function readSize(text) {
  const match = SIZE.exec(text.trim());
  if (!match) {
    return null;
  }
  const unit = match[2] || "B";
  const base = unit.slice(1) === "B" ? 1000 : 1024;
  const value = Number(match[1]) * (unit === "B" ? 1 : base ** POWERS[unit[0]]);
  return value > 0 ? value : null;
}

function readShare(text) {
  const match = SHARE.exec(text.trim());
  // Who writes 10 means 10%: as on the command line a bare number from 1 on is none.
  if (!match || (!match[2] && Number(match[1]) >= 1)) {
    return null;
  }
  return Number(match[1]) / (match[2] ? 100 : 1);
}
