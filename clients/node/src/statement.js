// SPDX-License-Identifier: MIT
// A text and its values as a Statement message.
import { SidepoolError } from "./errors.js";
import { packRows } from "./packed.js";
import { prepareValue } from "./values.js";

const TEXT = 0;
const BINARY = 1;
const PARAMETERS_MAX = 65_535;

const invalid = (message) => new SidepoolError("INVALID_ARGUMENT", message);

/** The formats of each column over all rows; undefined: all are text. */
function formatsOf(rows, count) {
  if (!rows.some((row) => row.some((value) => value instanceof Uint8Array))) return undefined;
  const formats = new Array(count).fill(TEXT);
  for (const row of rows) for (let i = 0; i < count; i++) if (row[i] instanceof Uint8Array) formats[i] = BINARY;
  for (const row of rows)
    for (let i = 0; i < count; i++)
      if (formats[i] === BINARY && typeof row[i] === "string")
        throw invalid(`parameter $${i + 1} has bytes in one set and text in another`);
  return formats;
}

function prepareSets(sets) {
  const count = sets[0].length;
  if (count > PARAMETERS_MAX) throw invalid(`${count} parameters are more than PostgreSQL's ${PARAMETERS_MAX}`);
  return sets.map((values, i) => {
    if (values.length !== count) throw invalid(`parameter set ${i} has ${values.length} values, the first has ${count}`);
    return values.map((value) => prepareValue(value));
  });
}

/**
 * options: binary (of the results), parameterTypes (OIDs), simple, resultPerSet. `sets` are arrays of values, one for each
 * run; null: no parameters.
 */
export function statementMessage(text, sets, options = {}) {
  const message = {
    sql: text,
    parameterTypes: options.parameterTypes,
    resultFormat: options.binary ? BINARY : TEXT,
    simple: options.simple,
    resultPerSet: options.resultPerSet,
  };
  if (!sets || sets.length === 0 || (sets.length === 1 && sets[0].length === 0)) return message;
  const rows = prepareSets(sets);
  message.parameterCount = rows[0].length;
  message.parameterFormats = formatsOf(rows, rows[0].length);
  message.parameters = packRows(rows);
  if (rows.length > 1) message.parameterSets = rows.length;
  return message;
}

/** A text, a { text, values }, or an sql`...`, as [text, values]. */
export function textAndValues(query, values) {
  const text = typeof query === "string" ? query : query?.text;
  if (typeof text !== "string") throw invalid("a statement is a text, an sql`...`, or an object with a text");
  const given = values ?? (typeof query === "string" ? [] : query.values) ?? [];
  if (!Array.isArray(given)) throw invalid("a statement's values are an array");
  return [text, given];
}
