// Changes the last layer of a network in an ONNX file.

import * as pb from "./protobuf.js";

/** Numbers of fields in ONNX's messages. */
const MODEL = { docString: 6, graph: 7, metadata: 14 };
const GRAPH = { node: 1, initializer: 5, output: 12, valueInfo: 13 };
const NODE = { input: 1, output: 2, name: 3, type: 4, attribute: 5 };
const TENSOR = { dims: 1, type: 2, name: 8, data: 9 };
const ATTRIBUTE = { name: 1, integer: 3, type: 20 };
const [FLOAT, INTEGER] = [1, 2];

const EMBEDDING = "embedding";
const LOGITS = "logits";
const TAUGHT = "taught";

const nameOf = (fields, number) => pb.texts(fields, number)[0];

/** The parts of a graph that matter here. */
function open(content) {
  const model = pb.parse(content);
  const graph = pb.parse(pb.first(model, MODEL.graph).value);
  const nodes = pb.all(graph, GRAPH.node).map((one) => pb.parse(one.value));
  const outputs = pb.all(graph, GRAPH.output).map((one) => nameOf(pb.parse(one.value), 1));
  return { model, graph, nodes, outputs };
}

/** The name of what the last layer gets: an output, or what the layer itself names. */
function embeddingName({ nodes, outputs }) {
  if (outputs.includes(EMBEDDING)) return EMBEDDING;
  const last = nodes.find((node) => pb.texts(node, NODE.output).includes(LOGITS));
  if (!last || nameOf(last, NODE.type) !== "Gemm") {
    throw new Error("this model has no last layer that can be taught; export it again");
  }
  return nameOf(last, NODE.input);
}

/** A graph whose name for a value is another. */
function renamed(nodes, from, to) {
  const swap = (field) =>
    [NODE.input, NODE.output].includes(field.number) && pb.textOf(field) === from
      ? pb.textField(field.number, to)
      : field;
  return nodes.map((node) => node.map(swap));
}

function valueInfo(name, width) {
  const dims = [
    pb.messageField(1, [pb.textField(2, "windows")]),
    pb.messageField(1, [pb.intField(1, width)]),
  ];
  const tensor = [pb.intField(1, FLOAT), pb.messageField(2, dims)];
  return [pb.textField(1, name), pb.messageField(2, [pb.messageField(1, tensor)])];
}

function tensor(name, dims, values) {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return [
    ...dims.map((one) => pb.intField(TENSOR.dims, one)),
    pb.intField(TENSOR.type, FLOAT),
    pb.textField(TENSOR.name, name),
    pb.bytesField(TENSOR.data, bytes),
  ];
}

function lastLayer() {
  const transposed = [
    ...[pb.textField(ATTRIBUTE.name, "transB"), pb.intField(ATTRIBUTE.integer, 1)],
    pb.intField(ATTRIBUTE.type, INTEGER),
  ];
  return [
    ...[EMBEDDING, `${TAUGHT}.weight`, `${TAUGHT}.bias`].map((one) => pb.textField(NODE.input, one)),
    pb.textField(NODE.output, LOGITS),
    pb.textField(NODE.name, TAUGHT),
    pb.textField(NODE.type, "Gemm"),
    pb.messageField(NODE.attribute, transposed),
  ];
}

/** The nodes that a value depends on, in order, and the names that they use. */
function needed(nodes, names) {
  const used = new Set(names);
  const kept = [];
  for (const node of [...nodes].reverse()) {
    if (!pb.texts(node, NODE.output).some((one) => used.has(one))) continue;
    kept.unshift(node);
    for (const one of pb.texts(node, NODE.input)) used.add(one);
  }
  return { kept, used };
}

/** Puts a graph together again: its nodes and outputs, and of its tables those that are used. */
function assemble({ model, graph }, { nodes, outputs, tensors, metadata, doc }) {
  const { kept, used } = needed(nodes, outputs.map((one) => nameOf(one, 1)));
  const own = pb.all(graph, GRAPH.initializer).filter((one) =>
    used.has(nameOf(pb.parse(one.value), TENSOR.name)),
  );
  const replaced = [GRAPH.node, GRAPH.initializer, GRAPH.output, GRAPH.valueInfo];
  const fresh = [
    ...kept.map((one) => pb.messageField(GRAPH.node, one)),
    ...graph.filter((one) => !replaced.includes(one.number)),
    ...own,
    ...tensors.map((one) => pb.messageField(GRAPH.initializer, one)),
    ...outputs.map((one) => pb.messageField(GRAPH.output, one)),
  ];
  const around = model.filter((one) => ![MODEL.graph, MODEL.metadata, MODEL.docString].includes(one.number));
  return pb.serialize([
    ...around,
    ...(doc === undefined ? pb.all(model, MODEL.docString) : [pb.textField(MODEL.docString, doc)]),
    pb.messageField(MODEL.graph, fresh),
    ...(metadata ?? pb.all(model, MODEL.metadata)),
  ]);
}

/** The metadata of a file, by key. */
export function readMetadata(content) {
  const entries = pb.all(pb.parse(content), MODEL.metadata).map((one) => pb.parse(one.value));
  return Object.fromEntries(entries.map((one) => [nameOf(one, 1), nameOf(one, 2) ?? ""]));
}

/** The same network with what its last layer gets as its only output. */
export function embeddingGraph(content) {
  const opened = open(content);
  const name = embeddingName(opened);
  const nodes = renamed(opened.nodes, name, EMBEDDING);
  // Its width is not known before it has run.
  const output = [pb.textField(1, EMBEDDING), pb.messageField(2, [pb.messageField(1, [pb.intField(1, FLOAT)])])];
  return assemble(opened, { nodes, outputs: [output], tensors: [] });
}

/** The same network with another last layer, and other metadata; `weights` is a row a logit. */
export function withLastLayer(content, { weights, bias, metadata, doc }) {
  const opened = open(content);
  const name = embeddingName(opened);
  const before = renamed(opened.nodes, name, EMBEDDING).filter(
    (node) => !pb.texts(node, NODE.output).includes(LOGITS),
  );
  const width = weights[0].length;
  const entries = Object.entries(metadata).map(([key, value]) =>
    pb.messageField(MODEL.metadata, [pb.textField(1, key), pb.textField(2, value)]),
  );
  return assemble(opened, {
    nodes: [...before, lastLayer()],
    outputs: [valueInfo(LOGITS, weights.length), valueInfo(EMBEDDING, width)],
    tensors: [
      tensor(`${TAUGHT}.weight`, [weights.length, width], weights.flat()),
      tensor(`${TAUGHT}.bias`, [bias.length], bias),
    ],
    metadata: entries,
    doc,
  });
}
