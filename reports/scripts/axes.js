// Axes with readable ticks: lengths and sizes as powers of two, times with their units, never 1.0000e+00.
const TICK_WIDTH = 58; // px per label, so that labels do not overlap

/**
 * @param {number[]} values
 * @param {string[]} labels
 * @returns {PlotlyAxis}
 */
function ticks(values, labels) {
  return { tickmode: "array", tickvals: values, ticktext: labels };
}

/**
 * The axis of sequence lengths. The longest length has a tick; shorter ones have one where there is room for it.
 * @param {number[]} lengths
 * @param {number} width of the chart in px
 * @returns {PlotlyAxis}
 */
function lengthAxis(lengths, width) {
  const octaves = Math.log2(lengths[lengths.length - 1] / lengths[0]) || 1;
  const position = (/** @type {number} */ n) => ((width - 120) * Math.log2(n / lengths[0])) / octaves;
  /** @type {number[]} */
  const kept = [];
  lengths.slice().reverse().forEach(function (n) {
    if (!kept.length || position(kept[0]) - position(n) >= TICK_WIDTH) {
      kept.unshift(n);
    }
  });
  return Object.assign({ type: "log", tickangle: 0, title: { text: "sequence length n" } }, ticks(kept, kept.map(String)));
}

/**
 * @param {number[]} seconds
 * @param {string} title
 */
function secondAxis(seconds, title) {
  return decimalAxis(seconds, title, 4, formatTickSeconds, formatExactSeconds);
}

/**
 * @param {number[]} values
 * @param {string} title
 * @param {string} [unit] written with a prefix, such as GFLOP/s; plain numbers without one
 */
function countAxis(values, title, unit) {
  const number = (/** @type {number} */ value, /** @type {number} */ digits) => String(Number(value.toPrecision(digits)));
  const format = (/** @type {number} */ value) => (unit ? shorten(formatCount(value, unit)) : number(value, 3));
  const formatExact = (/** @type {number} */ value) => (unit ? formatExactCount(value, unit) : number(value, 6));
  return decimalAxis(values, title, 2, format, formatExact);
}

/**
 * A logarithmic axis with ticks at 1, 2 and 5 in each decade, or at 1 only where there are more decades than
 * `mostDecades`. Values so close that fewer than two of these ticks are visible get evenly spaced ticks instead, with
 * labels exact enough to differ.
 * @param {number[]} values
 * @param {string} title
 * @param {number} mostDecades
 * @param {(value: number) => string} format
 * @param {(value: number) => string} formatExact
 * @returns {PlotlyAxis}
 */
function decimalAxis(values, title, mostDecades, format, formatExact) {
  const axis = { type: "log", title: { text: title, standoff: 14 } };
  if (!values.length) {
    return axis;
  }
  const [low, high] = [Math.floor(Math.log10(minimum(values))), Math.ceil(Math.log10(maximum(values)))];
  const steps = high - low > mostDecades ? [1] : [1, 2, 5];
  /** @type {number[]} */
  const places = [];
  for (let decade = low; decade <= high; decade += 1) {
    steps.forEach((step) => places.push(step * 10 ** decade));
  }
  return Object.assign(axis, areVisible(values, places) ? ticks(places, places.map(format)) : evenTicks(values, formatExact));
}

/**
 * Whether at least two of the ticks lie within the range of the values.
 * @param {number[]} values
 * @param {number[]} places
 */
function areVisible(values, places) {
  const [low, high] = [minimum(values), maximum(values)];
  return places.filter((place) => place >= low * 0.98 && place <= high * 1.02).length >= 2;
}

/**
 * Evenly spaced ticks at round multiples of `unit`.
 * @param {number[]} values
 * @param {(value: number) => string} format
 * @param {number} [unit]
 */
function evenTicks(values, format, unit = 1) {
  const low = minimum(values) / unit;
  const span = maximum(values) / unit - low || low / 10;
  const decade = 10 ** Math.floor(Math.log10(span / 2));
  const step = decade * (span / 2 >= 5 * decade ? 5 : span / 2 >= 2 * decade ? 2 : 1);
  const first = Math.max(1, Math.floor((low - span / 2) / step));
  const count = Math.ceil((low + 1.5 * span) / step) - first + 1;
  const places = Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(12)) * unit);
  return ticks(places, places.map(format));
}

/**
 * A logarithmic axis with ticks at powers of two.
 * @param {number[]} sizes in bytes
 * @param {string} title
 * @returns {PlotlyAxis}
 */
function byteAxis(sizes, title) {
  const axis = { type: "log", title: { text: title, standoff: 14 } };
  if (!sizes.length) {
    return axis;
  }
  const [low, high] = [Math.floor(Math.log2(minimum(sizes))), Math.ceil(Math.log2(maximum(sizes)))];
  const step = high - low <= 8 ? 1 : high - low <= 16 ? 2 : 5;
  /** @type {number[]} */
  const powers = [];
  for (let power = Math.ceil(low / step) * step; power <= high; power += step) {
    powers.push(2 ** power);
  }
  if (areVisible(sizes, powers)) {
    return Object.assign(axis, ticks(powers, powers.map((size) => shorten(formatSize(size)))));
  }
  const unit = 1024 ** Math.floor(Math.log2(minimum(sizes)) / 10);
  return Object.assign(axis, evenTicks(sizes, formatExactSize, unit));
}

/** @param {number[]} errors */
function errorAxis(errors) {
  const formatExact = (/** @type {number} */ error) => String(Number(error.toPrecision(6)));
  const format = (/** @type {number} */ error) => (error < 1e-3 ? toExponentialPadded(error, 0) : formatExact(error));
  return decimalAxis(errors, "relative error, smooth input", 2, format, formatExact);
}

/** @param {number} seconds */
function formatTickSeconds(seconds) {
  const [scale, unit] = SECONDS.find(([size]) => seconds >= size * 0.999) || SECONDS[3];
  return toFixedHalfEven(seconds / scale, seconds / scale < 0.999 ? 1 : 0) + " " + unit;
}

/** @param {number} seconds */
function formatExactSeconds(seconds) {
  const [scale, unit] = SECONDS.find(([size]) => seconds >= size * 0.999) || SECONDS[3];
  return Number((seconds / scale).toPrecision(6)) + " " + unit;
}

/**
 * @param {number} value
 * @param {string} unit
 */
function formatExactCount(value, unit) {
  const [scale, prefix] = decimalPrefix(value);
  return Number((value / scale).toPrecision(6)) + " " + prefix + unit;
}

/** @param {number} size in bytes */
function formatExactSize(size) {
  let step = 0;
  while (size >= 1024 && step < BINARY.length - 1) {
    size /= 1024;
    step += 1;
  }
  return Number(size.toPrecision(6)) + " " + BINARY[step];
}

/**
 * "32.0 MiB" as "32 MiB".
 * @param {string} amount
 */
function shorten(amount) {
  const [number, unit] = amount.split(" ");
  return Number(number) + " " + unit;
}

// Not Math.min(...values): an argument for each of many thousand values overflows the stack.
/** @param {number[]} values */
function minimum(values) {
  return values.reduce((a, b) => Math.min(a, b));
}

/** @param {number[]} values */
function maximum(values) {
  return values.reduce((a, b) => Math.max(a, b));
}
