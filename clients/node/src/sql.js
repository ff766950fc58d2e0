// SPDX-License-Identifier: MIT
// Tagged templates: sql`select * from t where id = ${id}` is a text with $1 and its values. What is in ${} is a
// parameter, never text, unless it is itself a fragment: another sql`...`, sql.identifier(), sql.join(), sql.unsafe().

/** A piece of SQL with its values. */
export class Sql {
  #parts;
  #made = null;

  /** parts: texts and { value } and other Sql, in order. */
  constructor(parts) {
    this.#parts = parts;
  }

  get text() {
    return this.#make().text;
  }

  get values() {
    return this.#make().values;
  }

  #make() {
    if (!this.#made) {
      this.#made = { text: "", values: [] };
      this.#appendTo(this.#made);
    }
    return this.#made;
  }

  #appendTo(made) {
    for (const part of this.#parts) {
      if (typeof part === "string") made.text += part;
      else if (part instanceof Sql) part.#appendTo(made);
      else made.text += `$${made.values.push(part.value)}`;
    }
  }
}

/** The Sql of a template's strings and values. */
export function fromTemplate(strings, values) {
  const parts = [strings[0]];
  values.forEach((value, i) => parts.push(value instanceof Sql ? value : { value }, strings[i + 1]));
  return new Sql(parts);
}

export const escapeIdentifier = (name) => `"${String(name).replaceAll('"', '""')}"`;

export function escapeLiteral(text) {
  if (typeof text !== "string") return "''";
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? ` E${quoted}` : quoted;
}

export function sql(strings, ...values) {
  return fromTemplate(strings, values);
}

/** "schema"."table": each name quoted. */
sql.identifier = (...names) => new Sql([names.map(escapeIdentifier).join(".")]);

/** Values or fragments with a separator between: sql`in (${sql.join(ids)})` */
sql.join = (items, separator = ", ") => {
  const parts = [];
  for (const item of items) parts.push(separator, item instanceof Sql ? item : { value: item });
  return new Sql(parts.slice(1));
};

/** Text as it stands. Never from outside. */
sql.unsafe = (text) => new Sql([String(text)]);
