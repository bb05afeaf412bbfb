// What is measured in each table of docs/growth.md, and how its rows are written.
//
// Comes in: measured rows. Goes out: Markdown. Never measures.
import { attentionShare, forwardFlop, grid, product } from "../training/model.mjs";

/** The width, layers and heads of the page's size tiny. */
function narrow({ frames = 8, size = 64, classes = 10 }) {
  const labels = Array.from({ length: classes }, (_, index) => [String(index), `class ${index}`]);
  return {
    model_type: "videomae",
    image_size: size,
    patch_size: 16,
    num_channels: 3,
    num_frames: frames,
    tubelet_size: 2,
    hidden_size: 192,
    num_hidden_layers: 4,
    num_attention_heads: 3,
    intermediate_size: 768,
    id2label: Object.fromEntries(labels),
    label2id: Object.fromEntries(labels.map(([id, label]) => [label, Number(id)])),
  };
}

const model = ({ batch = 1, ...shape }, more) => ({ config: narrow(shape), batch, more });

const megabytes = (bytes) => Math.round(bytes / 1e6);
const milliseconds = (time) => (time < 100 ? time.toFixed(1) : String(Math.round(time)));
const rate = ({ config, batch, step }) => ((3 * batch * forwardFlop(config)) / step / 1e6).toFixed(1);

/** The power of how much more there is that `what` grows with from one row to another. */
const power = (one, other, what) => Math.log(what(other) / what(one)) / Math.log(other.more / one.more);

const stepTime = ({ step }) => step;
const times = { "forward, ms": ({ forward }) => milliseconds(forward), "step, ms": ({ step }) => milliseconds(step) };
const memory = { "wasm memory after a forward pass, MB": ({ bytes }) => megabytes(bytes.forward), "at most, MB": ({ bytes }) => megabytes(bytes.end) };
const measures = { "time of a step": stepTime, "wasm memory, less what the program starts with,": ({ bytes }) => bytes.end - bytes.before };

/** By name; `more` of a row is how much it has of what the table is about, in the table's unit. */
export const TABLES = {
  tokens: {
    title: "Tokens",
    text: "One clip, 2 frames and 16x16 pixels a token. Attention compares each token with each other, so its products grow with the square of their number, all others' linearly.",
    unit: "tokens",
    rows: [[8, 112], [16, 112], [8, 224], [16, 224], [32, 224]].map(([frames, size]) => model({ frames, size }, (frames / 2) * (size / 16) ** 2)),
    columns: {
      clip: ({ config }) => `${config.num_frames}x${config.image_size}x${config.image_size}`,
      tokens: ({ config }) => product(grid(config)),
      "attention's share of the products": ({ config }) => `${Math.round(100 * attentionShare(config))} %`,
      ...times,
      "step a token, ms": ({ step, more }) => (step / more).toFixed(2),
      "GFLOP/s of a step": rate,
      "power of tokens, from the row before": (row, before) => (before ? power(before, row, stepTime).toFixed(2) : ""),
      ...memory,
    },
    measures,
  },
  batch: {
    title: "Batch",
    text: "Clips of 8x64x64, 64 tokens each.",
    unit: "clips",
    rows: [1, 2, 4, 8, 16].map((batch) => model({ batch }, batch)),
    columns: { "clips a step": ({ batch }) => batch, ...times, "step a clip, ms": ({ step, batch }) => (step / batch).toFixed(1), ...memory },
    measures,
  },
  classes: {
    title: "Classes",
    text: "8 clips of 8x64x64. A class more is 193 weights more in the head, each with its gradient and two moments.",
    unit: "classes",
    rows: [2, 10, 101, 400, 700].map((classes) => model({ batch: 8, classes }, classes)),
    columns: { classes: ({ more }) => more, "weights of the head": ({ more }) => 193 * more, ...times, ...memory },
    measures,
  },
  clips: {
    title: "Clips of a folder",
    text: "The built page, a folder chosen whose files are named as UCF101's: labels from folders, splits drawn, every file looked into. Memory is that of the browser's renderer, page and engine together.",
    unit: "clips",
    rows: [10, 100, 1000, 13_320].map((clips) => ({ clips, more: clips })),
    columns: {
      clips: ({ clips }) => clips,
      classes: ({ classes }) => classes,
      "listed, labelled and split, ms": ({ listed }) => Math.round(listed),
      "the page's longest task until then, ms": ({ listing }) => Math.round(listing),
      "every file looked into, s": ({ checked }) => (checked / 1e3).toFixed(1),
      "a clip, ms": ({ checked, clips }) => (checked / clips).toFixed(1),
      "memory before, at most, after, MB": ({ before, peak, end }) => [before, peak, end].map(Math.round).join(", "),
    },
    measures: {
      "time until the folder is listed, labelled and split": ({ listed }) => listed,
      "time until every file was looked into": ({ checked }) => checked,
      "memory beyond what was there before": ({ before, peak }) => peak - before,
    },
  },
};

/** One row in a line, as it is measured. */
export function line({ more, forward, step, bytes, listed, peak }) {
  return bytes ? `${more}: ${milliseconds(forward)} and ${milliseconds(step)} ms, ${megabytes(bytes.end)} MB` : `${more}: ${listed} ms, ${peak} MB`;
}

/** A paragraph in lines as long as the other documents have them. */
export function wrapped(text) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1).length + word.length > 124) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trimStart());
  }
  return lines;
}

/** Powers up to so much from 1 are linear. */
const TOLERANCE = 0.1;

function verdict({ measures, unit }, rows) {
  const [first, beforeLast, last] = [rows[0], rows.at(-2), rows.at(-1)];
  const sentences = Object.entries(measures).map(([name, what]) => {
    const [whole, end] = [power(first, last, what), power(beforeLast, last, what)];
    if (!(whole > TOLERANCE)) return `The ${name} hardly grows with ${unit}: the last row has ${(what(last) / what(first)).toFixed(2)} times the first's.`;
    const word = end > 1 + TOLERANCE ? "**faster than linearly**" : end < 1 - TOLERANCE ? "slower than linearly" : "linearly";
    return `The ${name} grows with ${unit} to the power of ${whole.toFixed(2)} from the first row to the last, of ${end.toFixed(2)} between the last two: ${word}.`;
  });
  return sentences.join(" ");
}

export function section(table, rows) {
  const head = Object.keys(table.columns);
  const cells = rows.map((row, index) => head.map((name) => table.columns[name](row, rows[index - 1])));
  const lines = [head, head.map(() => "---:"), ...cells].map((line) => `| ${line.join(" | ")} |`);
  return [`## ${table.title}`, "", ...wrapped(table.text), "", ...lines, "", ...wrapped(verdict(table, rows)), ""];
}
