// Reads a safetensors file of 32-bit floats.
//
// Comes in: its bytes. Goes out: a table from a tensor's name to `{ shape, values }`.

export function readTensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    if (dtype !== "F32") throw new Error(`The tensor ${name} holds ${dtype}, not 32-bit floats.`);
    tensors[name] = { shape, values: new Float32Array(bytes.slice(start + from, start + to).buffer) };
  }
  return tensors;
}
