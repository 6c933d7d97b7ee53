// Axes that engineers read: lengths and sizes as powers of two, times with their units, never 1.0000e+00.
const TICK_WIDTH = 58; // px that a length takes, so that no two collide

function ticks(values, texts) {
  return { tickmode: "array", tickvals: values, ticktext: texts };
}

// The longest length has its tick, and of the others those that stand far enough from the next one that has.
function lengthAxis(lengths, width) {
  const octaves = Math.log2(lengths[lengths.length - 1] / lengths[0]) || 1;
  const place = (n) => ((width - 120) * Math.log2(n / lengths[0])) / octaves;
  const kept = [];
  lengths.slice().reverse().forEach(function (n) {
    if (!kept.length || place(kept[0]) - place(n) >= TICK_WIDTH) {
      kept.unshift(n);
    }
  });
  return Object.assign({ type: "log", tickangle: 0, title: { text: "sequence length n" } }, ticks(kept, kept.map(String)));
}

function secondAxis(seconds, title) {
  return decimalAxis(seconds, title, 4, shortSeconds, exactSeconds);
}

function countAxis(values, title, unit) {
  const words = (value) => (unit ? plain(countWords(value, unit)) : String(Number(value.toPrecision(3))));
  const exact = (value) => (unit ? exactly(value, 1000, DECIMAL, unit) : String(Number(value.toPrecision(6))));
  return decimalAxis(values, title, 2, words, exact);
}

// Ticks at 1, 2 and 5 in each decade, or at 1 alone where there are many; where all is so near that fewer than two of
// them are in sight, ticks at even distances, in words that tell them apart.
function decimalAxis(values, title, mostDecades, words, exact) {
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
  return Object.assign(axis, inSightOf(values, places) ? ticks(places, places.map(words)) : nearTicks(values, exact));
}

function inSightOf(values, places) {
  const [low, high] = [least(values), greatest(values)];
  return places.filter((place) => place >= low * 0.98 && place <= high * 1.02).length >= 2;
}

// At round numbers of the unit, in which the texts are.
function nearTicks(values, exact, unit = 1) {
  const low = least(values) / unit;
  const span = greatest(values) / unit - low || low / 10;
  const decade = 10 ** Math.floor(Math.log10(span / 2));
  const step = decade * [5, 2, 1].find((digit) => digit * decade <= span / 2);
  const first = Math.max(1, Math.floor((low - span / 2) / step));
  const count = Math.ceil((low + 1.5 * span) / step) - first + 1;
  const places = Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(12)) * unit);
  return ticks(places, places.map(exact));
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
  const powers = ticks(values, values.map((value) => plain(sizeWords(value))));
  const unit = 1024 ** Math.floor(Math.log2(least(sizes)) / 10);
  return Object.assign(axis, inSightOf(sizes, values) ? powers : nearTicks(sizes, (value) => exactly(value, 1024, BINARY, ""), unit));
}

function errorAxis(errors) {
  const words = (value) => (value < 1e-3 ? exponential(value, 0) : String(Number(value.toPrecision(6))));
  return decimalAxis(errors, "relative error, smooth input", 2, words, words);
}

function shortSeconds(value) {
  const [scale, unit] = SECONDS.find(([size]) => value >= size * 0.999) || SECONDS[3];
  return fixed(value / scale, value / scale < 0.999 ? 1 : 0) + " " + unit;
}

function exactSeconds(value) {
  const [scale, unit] = SECONDS.find(([size]) => value >= size * 0.999) || SECONDS[3];
  return Number((value / scale).toPrecision(6)) + " " + unit;
}

function exactly(value, base, prefixes, unit) {
  let step = 0;
  while (value >= base && step < prefixes.length - 1) {
    value /= base;
    step += 1;
  }
  return Number(value.toPrecision(6)) + " " + prefixes[step] + unit;
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
