// SPDX-License-Identifier: MIT
// PostgreSQL's array literals: {1,NULL,"a \"b\""}, nested, with explicit lower bounds ([2:3]={...}).
// https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO

const QUOTE = '"';

class ArrayReader {
  constructor(text, parse, delimiter) {
    this.text = text;
    this.parse = parse;
    this.delimiter = delimiter;
    this.at = text[0] === "[" ? text.indexOf("=") + 1 : 0;
  }

  /** The array whose brace is at `at`. */
  read() {
    const { text } = this;
    const items = [];
    this.at++;
    for (;;) {
      const c = text[this.at];
      if (c === undefined) throw new Error("array dimension not balanced");
      if (c === "}") break;
      if (c === this.delimiter) this.at++;
      else if (c === "{") items.push(this.read());
      else if (c === QUOTE) items.push(this.parse(this.#quoted()));
      else items.push(this.#bare());
    }
    this.at++;
    return items;
  }

  #quoted() {
    const { text } = this;
    let value = "";
    let from = ++this.at;
    for (; this.at < text.length && text[this.at] !== QUOTE; this.at++) {
      if (text[this.at] !== "\\") continue;
      value += text.slice(from, this.at);
      from = ++this.at;
    }
    value += text.slice(from, this.at++);
    return value;
  }

  #bare() {
    const from = this.at;
    let value = "";
    let start = from;
    for (; this.at < this.text.length; this.at++) {
      const c = this.text[this.at];
      if (c === this.delimiter || c === "}") break;
      if (c !== "\\") continue;
      value += this.text.slice(start, this.at);
      start = ++this.at;
    }
    value += this.text.slice(start, this.at);
    return value === "NULL" ? null : this.parse(value);
  }
}

/** An array literal as nested arrays, each element through `parse`, NULL as null. */
export function parseArray(text, parse = (value) => value, delimiter = ",") {
  const reader = new ArrayReader(text, parse, delimiter);
  return text[reader.at] === "{" ? reader.read() : [];
}
