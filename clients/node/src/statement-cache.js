// SPDX-License-Identifier: MIT
// What one connection's daemon knows of statements: a text that it has seen goes out as an id from then on, and columns
// that it has told once are not told again. The least recently used text is forgotten first.
//
// An id that the daemon no longer keeps is answered with UNKNOWN_STATEMENT, which means that nothing ran; the text then
// follows. That would upset the order of requests on a lease, so there only the columns are left out.

export class StatementCache {
  #entries = new Map(); // text -> { statementId, columnsId, columns }, least recently used first
  #max;

  constructor(max) {
    this.#max = max;
  }

  /** What is known of a text, or null. */
  get(text) {
    const entry = this.#entries.get(text);
    if (!entry) return null;
    if (this.#entries.size * 2 > this.#max) {
      this.#entries.delete(text);
      this.#entries.set(text, entry);
    }
    return entry;
  }

  /**
   * Sets the fields of a Statement message that depend on what is known, and returns the entry that they were taken
   * from. withId: the id may stand for the text.
   */
  apply(statement, text, withId) {
    const entry = this.get(text);
    const useId = withId && entry !== null && entry.statementId !== 0;
    statement.sql = useId ? undefined : text;
    statement.statementId = useId ? entry.statementId : undefined;
    statement.knownColumnsId = entry?.columnsId;
    return entry;
  }

  /** Takes what a Result says of its statement, and completes the Result's columns from what was known. */
  learn(text, result, known) {
    if (result.columns.length === 0 && known && result.columnsId !== 0 && result.columnsId === known.columnsId)
      result.columns = known.columns;
    if (this.#max === 0 || result.error || (result.statementId === 0 && result.columnsId === 0)) return;
    if (known && known.columnsId === result.columnsId && (result.statementId === 0 || known.statementId === result.statementId)) return;
    if (result.columnsId !== 0 && result.columns.length === 0) return;
    this.#entries.delete(text);
    this.#entries.set(text, {
      statementId: result.statementId,
      columnsId: result.columnsId,
      columns: result.columns,
    });
    if (this.#entries.size > this.#max) this.#entries.delete(this.#entries.keys().next().value);
  }

  forget(text) {
    this.#entries.delete(text);
  }
}
