// What follows from a configuration (`config.json`): a clip's shape, tokens and multiplications; and clips of numbers.

/** [T, C, H, W] of a clip. */
export const clipShape = ({ num_frames, num_channels, image_size }) => [num_frames, num_channels, image_size, image_size];

/** Tubelets in time, rows and columns. */
export function grid({ num_frames, tubelet_size, image_size, patch_size }) {
  return [num_frames / tubelet_size, image_size / patch_size, image_size / patch_size];
}

export const product = (numbers) => numbers.reduce((all, number) => all * number, 1);

/** Multiplications and additions of a clip's forward pass, those of the layers' products alone. */
export function forwardFlop(config) {
  const [tokens, width] = [product(grid(config)), config.hidden_size];
  return config.num_hidden_layers * tokens * (8 * width * width + 4 * width * config.intermediate_size + 4 * tokens * width);
}

/** The share of them that is attention's own, each token with each other. */
export const attentionShare = (config) => (config.num_hidden_layers * 4 * product(grid(config)) ** 2 * config.hidden_size) / forwardFlop(config);

/** The same numbers each time, about as a normalised clip has them. */
export function numbers(count) {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 4 - 2;
  });
}

export const labelsOf = (clips, classes) => Int32Array.from({ length: clips }, (_, clip) => clip % classes);

export function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Milliseconds until it is done, and what it gave. */
export async function timed(run) {
  const from = performance.now();
  const value = await run();
  return { milliseconds: performance.now() - from, value };
}
