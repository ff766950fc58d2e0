// SPDX-License-Identifier: MIT
// node-postgres's Result.
import { templateOf } from "../packed.js";
import { getTypeParser } from "../types/index.js";

const TAG = /^([A-Za-z]+)(?: (\d+))?(?: (\d+))?/;

/** A Column message as node-postgres's field. */
export function fieldOf(column, format) {
  return {
    name: column.name,
    tableID: column.tableOid,
    columnID: column.columnNumber,
    dataTypeID: column.typeOid,
    dataTypeSize: column.typeBytes,
    dataTypeModifier: column.typeModifier,
    format,
  };
}

const fieldsOf = { text: new WeakMap(), binary: new WeakMap() }; // columns -> fields

/** Fields of all columns; a list of one's own. */
export function fieldsOfColumns(columns, format) {
  let fields = fieldsOf[format].get(columns);
  if (!fields) fieldsOf[format].set(columns, (fields = columns.map((column) => fieldOf(column, format))));
  return fields.slice();
}

export class Result {
  constructor(rowMode, types) {
    this.command = null;
    this.rowCount = null;
    this.oid = null;
    this.rows = [];
    this.fields = [];
    this._parsers = undefined;
    this._types = types;
    this.RowCtor = null;
    this.rowAsArray = rowMode === "array";
    this._prebuiltEmptyResultObject = null;
  }

  /** msg: { text } of CommandComplete */
  addCommandComplete(msg) {
    const m = TAG.exec(msg.text ?? msg.command);
    if (!m) return;
    this.command = m[1];
    if (m[3] !== undefined) {
      this.oid = parseInt(m[2], 10);
      this.rowCount = parseInt(m[3], 10);
    } else if (m[2] !== undefined) {
      this.rowCount = parseInt(m[2], 10);
    }
  }

  /** Texts (or, of binary fields, bytes) as a row. */
  parseRow(values) {
    const row = this.rowAsArray ? new Array(values.length) : { ...this._prebuiltEmptyResultObject };
    for (let i = 0; i < values.length; i++)
      row[this.rowAsArray ? i : this.fields[i].name] = values[i] === null ? null : this._parsers[i](values[i]);
    return row;
  }

  addRow(row) {
    this.rows.push(row);
  }

  addFields(fields) {
    this.fields = fields;
    this._prebuiltEmptyResultObject = templateOf(fields.map((field) => field.name));
    const parserOf = this._types ? (oid, format) => this._types.getTypeParser(oid, format) : getTypeParser;
    if (fields.length > 0) this._parsers = fields.map((field) => parserOf(field.dataTypeID, field.format || "text"));
  }
}
