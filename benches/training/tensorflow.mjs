// VideoMAE with its classifier, its training step and its optimizer in TensorFlow.js' own operations.
//
// Comes in: TensorFlow.js, a configuration and weights under Hugging Face's names, then clips and labels. Goes out: logits and
// losses. The gradients are those that TensorFlow.js derives (`variableGrads`), the optimizer is its Adam; it has no clipping
// by global norm, which is written out here. Never measures.
//
// Its wasm backend multiplies two matrices as they are several times as fast as where one is to be transposed on the way, which
// every gradient that it derives of a product asks for. With `turning` the layers' products have gradients of their own that
// transpose the matrix first.
import { clipShape, grid } from "./model.mjs";

const CLIP = 1.0;
const LEARNING_RATE = 1e-4;
/** As our optimizer and PyTorch have them. */
const ADAM = [0.9, 0.999, 1e-8];
const POOLED_NORM_EPSILON = 1e-5;
const PATCHES = "videomae.embeddings.patch_embeddings.projection";

export class Network {
  constructor(tf, config, tensors, turning) {
    this.tf = tf;
    this.turning = turning;
    this.config = config;
    this.variables = {};
    for (const [name, { shape, values }] of Object.entries(tensors)) {
      this.variables[name] = tf.tidy(() => tf.variable(this.#turned(tf.tensor(values, shape)), true, name));
    }
    this.positions = tf.tensor(positionTable(config), [grid(config).reduce((all, side) => all * side), config.hidden_size]);
    this.optimizer = tf.train.adam(LEARNING_RATE, ...ADAM);
  }

  get parameters() {
    return Object.values(this.variables).reduce((count, variable) => count + variable.size, 0);
  }

  /** Hugging Face keeps matrices as [out, in] and the projection as [D, C, t, h, w]; products here are with [in, out]. */
  #turned(tensor) {
    if (tensor.rank === 2) return tensor.transpose();
    // A tubelet's values lie here in the order of a clip's frames: t before C.
    if (tensor.rank === 5) return tensor.transpose([2, 1, 3, 4, 0]).reshape([-1, this.config.hidden_size]);
    return tensor.clone();
  }

  /** [B, T, C, H, W] -> [B * K], read back. */
  async forward(clips, pixels) {
    const logits = this.tf.tidy(() => this.#logits(this.#tubelets(clips, pixels), clips));
    const values = await logits.data();
    logits.dispose();
    return values;
  }

  /** One step; the loss before it, read back. */
  async step(pixels, labels) {
    const { tf } = this;
    const clips = labels.length;
    const loss = tf.tidy(() => {
      const tubelets = this.#tubelets(clips, pixels);
      const targets = tf.oneHot(tf.tensor1d(labels, "int32"), Object.keys(this.config.id2label).length).toFloat();
      const crossEntropy = () => tf.logSoftmax(this.#logits(tubelets, clips)).mul(targets).sum().div(-clips);
      const { value, grads } = tf.variableGrads(crossEntropy, Object.values(this.variables));
      // Not by `addN`, which adds nine tensors or more wrongly on WebGPU (4.22.0).
      const norm = tf.stack(Object.values(grads).map((gradient) => gradient.square().sum())).sum().sqrt();
      const scale = tf.minimum(tf.div(CLIP, norm.add(1e-6)), 1);
      this.optimizer.applyGradients(Object.fromEntries(Object.entries(grads).map(([name, gradient]) => [name, gradient.mul(scale)])));
      return value;
    });
    const [value] = await loss.data();
    loss.dispose();
    return value;
  }

  /** [B, T, C, H, W] -> [B * N, t * C * h * w]. */
  #tubelets(clips, pixels) {
    const { tubelet_size: frames, patch_size: patch, num_channels: channels } = this.config;
    const [times, rows, columns] = grid(this.config);
    return this.tf
      .tensor(pixels, [clips, ...clipShape(this.config)])
      .reshape([clips * times, frames * channels, rows, patch, columns, patch])
      .transpose([0, 2, 4, 1, 3, 5])
      .reshape([clips * times * rows * columns, frames * channels * patch * patch]);
  }

  /** [B * N, t * C * h * w] -> [B, K]. */
  #logits(tubelets, clips) {
    const { hidden_size: width, num_hidden_layers: depth, layer_norm_eps: epsilon } = this.config;
    let tokens = this.#dense(tubelets, PATCHES).reshape([clips, -1, width]).add(this.positions).reshape([-1, width]);
    for (let index = 0; index < depth; index += 1) {
      const layer = `videomae.encoder.layer.${index}`;
      const normed = this.#norm(tokens, `${layer}.layernorm_before`, epsilon);
      const attended = this.#attention(normed, `${layer}.attention`, clips).add(tokens);
      const widened = this.#dense(this.#norm(attended, `${layer}.layernorm_after`, epsilon), `${layer}.intermediate.dense`);
      const activated = widened.mul(0.5).mul(widened.mul(Math.SQRT1_2).erf().add(1));
      tokens = this.#dense(activated, `${layer}.output.dense`).add(attended);
    }
    const pooled = tokens.reshape([clips, -1, width]).mean(1);
    return this.#dense(this.#norm(pooled, "fc_norm", POOLED_NORM_EPSILON), "classifier");
  }

  /** [B * N, D] -> [B * N, D]. */
  #attention(tokens, place, clips) {
    const { hidden_size: width, num_attention_heads: heads } = this.config;
    const split = (projected) => projected.reshape([clips, -1, heads, width / heads]).transpose([0, 2, 1, 3]);
    const project = (part) => this.#product(tokens, this.variables[`${place}.attention.${part}.weight`]);
    const query = split(project("query").add(this.variables[`${place}.attention.q_bias`]));
    const key = split(project("key"));
    const value = split(project("value").add(this.variables[`${place}.attention.v_bias`]));
    const probabilities = this.tf.softmax(query.matMul(key, false, true).mul(1 / Math.sqrt(width / heads)));
    const context = probabilities.matMul(value).transpose([0, 2, 1, 3]).reshape([-1, width]);
    return this.#dense(context, `${place}.output.dense`);
  }

  #dense(input, place) {
    return this.#product(input, this.variables[`${place}.weight`]).add(this.variables[`${place}.bias`]);
  }

  /** [M, I] x [I, O] -> [M, O]. */
  #product(input, weights) {
    if (!this.turning) return input.matMul(weights);
    // Nothing is learnt of the clips themselves.
    if (weights === this.variables[`${PATCHES}.weight`]) {
      return this.tf.customGrad((weights) => ({ value: input.matMul(weights), gradFunc: (change) => input.transpose().matMul(change) }))(weights);
    }
    return this.tf.customGrad((input, weights, save) => {
      save([input, weights]);
      const gradFunc = (change, [input, weights]) => [change.matMul(weights.transpose()), input.transpose().matMul(change)];
      return { value: input.matMul(weights), gradFunc };
    })(input, weights);
  }

  #norm(input, place, epsilon) {
    const centred = input.sub(input.mean(-1, true));
    const scale = centred.square().mean(-1, true).add(epsilon).rsqrt();
    return centred.mul(scale).mul(this.variables[`${place}.weight`]).add(this.variables[`${place}.bias`]);
  }
}

/** VideoMAE's fixed positions, row by row: sine in even columns, cosine in odd ones. */
function positionTable(config) {
  const [tokens, width] = [grid(config).reduce((all, side) => all * side), config.hidden_size];
  return Float32Array.from({ length: tokens * width }, (_, index) => {
    const [position, column] = [Math.floor(index / width), index % width];
    const angle = position / 10_000 ** ((2 * Math.floor(column / 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}
