// Axes that engineers read: lengths and sizes as powers of two, times with their units, never 1.0000e+00.
const TICK_WIDTH = 58; // px that a length takes, so that no two collide

function ticks(values, texts) {
  return { tickmode: "array", tickvals: values, ticktext: texts };
}

function lengthAxis(lengths, width) {
  const step = Math.max(1, Math.ceil((lengths.length * TICK_WIDTH) / Math.max(1, width - 120)));
  const kept = lengths.filter((_, index) => (lengths.length - 1 - index) % step === 0);
  return Object.assign({ type: "log", tickangle: 0, title: { text: "sequence length n" } }, ticks(kept, kept.map(String)));
}

function secondAxis(seconds, title) {
  return decimalAxis(seconds, title, 4, shortSeconds);
}

function countAxis(values, title, unit) {
  return decimalAxis(values, title, 2, (value) => (unit ? plain(countWords(value, unit)) : String(Number(value.toPrecision(3)))));
}

// Ticks at 1, 2 and 5 in each decade, or at 1 alone where there are many.
function decimalAxis(values, title, mostDecades, words) {
  const axis = { type: "log", title: { text: title, standoff: 14 } };
  if (!values.length) {
    return axis;
  }
  const [low, high] = [Math.floor(Math.log10(least(values))), Math.ceil(Math.log10(greatest(values)))];
  const steps = high - low > mostDecades ? [1] : [1, 2, 5];
  const places = [];
  for (let decade = low; decade <= high; decade += 1) {
    steps.forEach((step) => places.push(step * 10 ** decade));
  }
  return Object.assign(axis, ticks(places, places.map(words)));
}

function byteAxis(sizes, title) {
  const axis = { type: "log", title: { text: title, standoff: 14 } };
  if (!sizes.length) {
    return axis;
  }
  const [low, high] = [Math.floor(Math.log2(least(sizes))), Math.ceil(Math.log2(greatest(sizes)))];
  const step = high - low <= 8 ? 1 : high - low <= 16 ? 2 : 5;
  const values = [];
  for (let power = Math.ceil(low / step) * step; power <= high; power += step) {
    values.push(2 ** power);
  }
  return Object.assign(axis, ticks(values, values.map((value) => plain(sizeWords(value)))));
}

function errorAxis() {
  return {
    type: "log",
    title: { text: "relative error, smooth input", standoff: 14 },
    exponentformat: "power",
    dtick: 1,
  };
}

function shortSeconds(value) {
  const [scale, unit] = SECONDS.find(([size]) => value >= size * 0.999) || SECONDS[3];
  return fixed(value / scale, value / scale < 0.999 ? 1 : 0) + " " + unit;
}

// "32.0 MiB" as "32 MiB".
function plain(amount) {
  const [number, unit] = amount.split(" ");
  return Number(number) + " " + unit;
}

function least(values) {
  return values.reduce((a, b) => Math.min(a, b));
}

function greatest(values) {
  return values.reduce((a, b) => Math.max(a, b));
}
