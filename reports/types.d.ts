// The types of the page's scripts, for the type checker only. The JSON block is made by dctbench/page/data.py.

/** The index of a result in every column. */
type Row = number;
/** A line about a curve, and its name, so that it can be hidden with it; an empty name for no curve: [name, encoded sentence]. */
type Line = [string, string];
/** One entry per row; row -> entry where few rows have one; the entry itself where all rows have the same. */
type Column<T> = (T | null)[] | Record<Row, T> | (T extends string | number ? T : never);
/** Whether a row is faster or slower than the reference, or tied with it. */
type Winner = "f" | "s" | "t";

/** What the columns hold, by name. */
interface Values {
  curve: number; // index in PageData.curves
  worth: number; // index in Rows.worths
  accuracy: number; // of a training
  count: number; // samples of the latency or, of a training, seeds
  mean: number; // µs, as all latencies
  below: number; // how far the interval of the latency reaches below it, in thousandths of it
  above: number;
  p95: number;
  p99: number;
  p99_high: number; // the upper bound of p99
  memory: number; // bytes
  process: number; // KiB
  resident: number; // bytes
  flops: number; // millions
  smooth: number; // relative error, smooth input
  int8: number; // relative error of an exact method in int8
  noise: number; // relative error, noise
  miss_rate: number; // its upper bound
  late: string; // encoded sentence
  rank: number; // 0 is the fastest of its shape
  intensity: number; // FLOP per byte
  rate: number; // GFLOP/s
  share: number; // of the ceiling
  ties: string; // the later ranks that are tied with this one, as bits
  samples: string;
  split: string; // share of each stage, two characters each
  failure: string; // encoded sentence
  printed: number; // index in Rows.printed
  ran: string; // encoded sentence
  warnings: string[]; // encoded sentences
}
type Latency = "mean" | "p95" | "p99" | "p99_high";

/** Whether a row is worth as much as exact attention, its accuracy, and why one would not take it, or "". */
type Worth = [boolean, string, string];

/** The results compared with one reference. */
interface Speedups {
  columns: { ratio?: Column<number>; low?: Column<number>; high?: Column<number> };
  winner: string; // a Winner per row, "-" where there is no ratio
  reference: string; // the status of the reference per row, "-" where it was not planned
}

interface Rows {
  columns: { [Name in keyof Values]?: Column<Values[Name]> };
  status: string; // a digit per row
  stop: string; // a letter per row, as `bound`; `alone`, `front` and `unbeaten` are "y" or "-"
  bound: string;
  alone: string; // whether it was timed in one round
  front: string;
  unbeaten: string;
  stops: string[];
  printed: string[]; // the ends of what failed processes printed
  worths: Worth[];
  speedups: Record<string, Speedups>;
}

/** The results of one run that differ in method, what it keeps, and length only. */
interface Facet {
  number: number; // set by loadData
  lengths: number[]; // set by loadData
  run: number;
  axes: Record<string, string | number | null>;
  label: string;
  flags: string;
  opens: number; // the length that is shown first
  deadline: number | null; // s
  capacity: [string, number] | null; // the device and its bytes
  process: string; // what the memory of the process is called on the device
  learned: boolean; // whether anything tells what its methods are worth
  miss_rate: number | null; // that the deadline admits
  quantised: boolean; // whether its engine computes in int8
  ceilings: [number, number][]; // FLOP/s and bytes/s of each machine
  shapes: [number, Row, number][]; // length, first row, number of rows; shortest first
  scalings: Line[];
  misfits: Line[];
  nearest: Record<number, string>;
  energy: Line[];
  by_reference: Record<string, { shapes: Record<number, [string, string]>; payoffs: Line[] }>;
}

/** A method at a ratio or a number kept, with the layers of a model that it replaces. */
interface Curve {
  number: number; // set by loadData
  name: string;
  method: string;
  ratio: number | null;
  kept: number | null;
  layers: string | null;
  recover: number | null; // steps of training
  flags: string;
  how: string; // the command that measures its accuracy, in words
  exact: boolean;
  family: string; // of the method, such as "dct"
  error_means: "approximates" | "other" | "untrained"; // what its difference from exact attention says
  color: string;
  dash: string;
  symbol: string;
}

interface Run {
  title: string;
  id: string;
}

interface PageData {
  axes: string[];
  statuses: string[];
  stages: string[];
  reference: string | null;
  references: string[];
  runs: Run[];
  curves: Curve[];
  facets: Facet[];
  forms: string[][]; // the text around the numbers of each sentence
  choice: {
    templates: Record<string, string>;
    budgets: { latency_p99: string; memory: string; error_smooth: string; miss_rate: string };
    mean: string;
  };
  roof: { template: string; ceilings: string[] };
  figures: Record<string, Chart>;
  rows: Rows;
}

/** What is shown. */
interface State {
  facet: Facet;
  n: number;
  at: string; // the chosen length and facet in words
  ratios: number[];
  ratio: number | null;
  numbers: number[]; // kept
  kept: number | null;
  reference: string | null;
  tail: "mean" | "p95" | "p99";
  kind: "tensor" | "process"; // which memory is shown
  differences: "errors" | "all"; // whose difference from exact attention is shown: only where it is an error, or of all
  latency: number | null; // budgets
  memory: number | null;
  error: number | null;
  late: number | null; // share of calls, where there is a deadline
  hidden: Set<string>; // names of curves
  find: string;
  sort: string; // name of a column; "-" before it for descending order
  every: boolean; // whether the table has the rows of all facets
}

interface Budget {
  name: string;
  limit: number;
  format: (value: number) => string;
  formatInFull: (value: number) => string;
  valueOf: (row: Row) => number | null;
}

/** Rows by how they meet the budgets. */
interface Budgeted {
  within: Row[];
  leaders: Row[]; // those within the budgets that are tied for the lowest latency
  over: [Row, Budget[]][];
  unmeasured: [Row, Budget[]][];
}

/** What to ship at the chosen length. */
interface DecisionOfRows {
  rows: Row[];
  budgets: Budget[];
  found: Budgeted;
  able: Row[]; // those that the leaders were chosen from
  told: boolean; // whether rounds tell which of these are the fastest
  leaders: Row[];
  shown: Row[];
  more: number; // unbeaten rows that are not shown
}

/** An answer and the lines below it. */
interface Recommendation {
  answer: string;
  details: string[];
}

/** A column of the table. */
interface TableColumn {
  name: string;
  title: string;
  rem: number; // width
  key: (row: Row) => number | null; // what rows are sorted by
  text: (row: Row) => string;
  facets?: boolean; // only while the table has the rows of all facets
  optional?: "p99" | "process"; // only where this was measured
}

interface SpeedupOfRow {
  ratio: number;
  low: number | null;
  high: number | null;
  winner: Winner;
}

/** The part of plotly.js that the page uses. */
interface PlotlyPoint {
  x: string;
  y: string;
}
interface PlotlyAxis {
  [option: string]: unknown;
}
interface PlotlyTrace {
  type: string;
  name?: string;
  x: (number | string | null)[];
  y: (number | string | null)[];
  [option: string]: unknown;
}
interface LineTrace extends PlotlyTrace {
  y: (number | null)[];
  marker: { color: string; symbol: string | string[]; size: number };
}
interface PlotlyLayout {
  xaxis: PlotlyAxis;
  yaxis: PlotlyAxis;
  height?: number;
  width?: number;
  [option: string]: unknown;
}
interface PlotlyElement extends HTMLElement {
  on(event: "plotly_click", listener: (event: { points: PlotlyPoint[] }) => void): void;
  removeAllListeners(event: "plotly_click"): void;
}
interface Window {
  Plotly?: {
    react(element: HTMLElement, data: PlotlyTrace[], layout: PlotlyLayout, config: object): Promise<unknown>;
    purge(element: HTMLElement): void;
  };
}

/** A chart of plotly, a note below it, and what a click on a point does. */
interface Chart {
  data: PlotlyTrace[];
  layout: PlotlyLayout;
  note?: string;
  clicked?: (point: PlotlyPoint) => void;
}
/** Draws a chart for so many pixels of width, or gives the reason why it is empty. */
type ChartMaker = (width: number) => Chart | string;

/** How a curve is drawn. */
interface Look {
  color: string;
  dash: string;
  symbol: string;
  width: number;
}
