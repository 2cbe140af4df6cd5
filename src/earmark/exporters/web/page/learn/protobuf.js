// Messages of protocol buffers as lists of fields, enough to change an ONNX file.
//
// A field is `{ number, wire, value }`: a BigInt for wire type 0, bytes for 1, 2 and 5.

const [VARINT, FIXED_64, BYTES, FIXED_32] = [0, 1, 2, 5];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function readVarint(bytes, at) {
  let value = 0n;
  let shift = 0n;
  let position = at;
  for (;;) {
    const byte = bytes[position++];
    if (byte === undefined) throw new Error("the model file is cut off");
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return [value, position];
    shift += 7n;
  }
}

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

/** The fields of a message, in order. */
export function parse(bytes) {
  const fields = [];
  let at = 0;
  while (at < bytes.length) {
    let key, value;
    [key, at] = readVarint(bytes, at);
    const wire = Number(key & 7n);
    if (wire === VARINT) [value, at] = readVarint(bytes, at);
    else {
      let length = { [FIXED_64]: 8, [FIXED_32]: 4 }[wire];
      if (wire === BYTES) {
        [value, at] = readVarint(bytes, at);
        length = Number(value);
      }
      if (length === undefined) throw new Error("the model file is damaged");
      value = bytes.subarray(at, at + length);
      at += length;
    }
    fields.push({ number: Number(key >> 3n), wire, value });
  }
  return fields;
}

/** The bytes of a message. */
export function serialize(fields) {
  const parts = [];
  for (const { number, wire, value } of fields) {
    parts.push(Uint8Array.from(varint((number << 3) | wire)));
    if (wire === VARINT) parts.push(Uint8Array.from(varint(value)));
    else {
      if (wire === BYTES) parts.push(Uint8Array.from(varint(value.length)));
      parts.push(value);
    }
  }
  const whole = new Uint8Array(parts.reduce((total, one) => total + one.length, 0));
  let at = 0;
  for (const one of parts) {
    whole.set(one, at);
    at += one.length;
  }
  return whole;
}

export const bytesField = (number, value) => ({ number, wire: BYTES, value });
export const textField = (number, value) => bytesField(number, encoder.encode(value));
export const intField = (number, value) => ({ number, wire: VARINT, value: BigInt(value) });
export const messageField = (number, fields) => bytesField(number, serialize(fields));

export const all = (fields, number) => fields.filter((one) => one.number === number);
export const textOf = (field) => decoder.decode(field.value);
export const texts = (fields, number) => all(fields, number).map(textOf);
export const first = (fields, number) => all(fields, number)[0];
