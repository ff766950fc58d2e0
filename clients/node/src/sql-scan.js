// SPDX-License-Identifier: MIT
// What can be told of a text without knowing SQL: its first words, and whether another statement follows the first.
// Comments, quotes and dollar quotes are skipped as PostgreSQL does.
// https://www.postgresql.org/docs/current/sql-syntax-lexical.html

const KEPT_MAX = 512;
const WORDS_MAX = 12;
const LEXEME =
  /\s+|--[^\n]*|\/\*|[eE]'(?:[^'\\]|\\[^]|'')*'?|'(?:[^']|'')*'?|"(?:[^"]|"")*"?|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[^]/y;
const COMMENT_EDGE = /\/\*|\*\//g;

const kept = new Map();

/** The position behind the comment that begins at `at`; comments nest. */
function skipComment(text, at) {
  let depth = 0;
  COMMENT_EDGE.lastIndex = at;
  for (let m = COMMENT_EDGE.exec(text); m; m = COMMENT_EDGE.exec(text)) {
    depth += m[0] === "/*" ? 1 : -1;
    if (depth === 0) return COMMENT_EDGE.lastIndex;
  }
  return text.length;
}

function isBlank(lexeme) {
  return /^(?:\s|--)/.test(lexeme);
}

/** Lexemes that mean something, one after the other. */
function* lexemes(text) {
  let at = 0;
  while (at < text.length) {
    LEXEME.lastIndex = at;
    const [lexeme] = LEXEME.exec(text);
    at += lexeme.length;
    if (lexeme === "/*") {
      at = skipComment(text, at - 2);
    } else if (lexeme.length > 1 && lexeme[0] === "$") {
      const end = text.indexOf(lexeme, at);
      at = end < 0 ? text.length : end + lexeme.length;
      yield "$";
    } else if (!isBlank(lexeme)) {
      yield lexeme;
    }
  }
}

/** The lexemes of each statement, as they are written. */
export function statements(text) {
  const found = [];
  let words = [];
  for (const lexeme of [...lexemes(text), ";"]) {
    if (lexeme !== ";") {
      words.push(lexeme);
    } else if (words.length > 0) {
      found.push(words);
      words = [];
    }
  }
  return found;
}

function scanFresh(text) {
  const words = [];
  const verbs = [];
  let begins = true; // the next lexeme begins a statement
  for (const lexeme of lexemes(text)) {
    if (lexeme === ";") {
      begins = true;
      continue;
    }
    if (begins) verbs.push(lexeme.toUpperCase());
    if (verbs.length === 1 && words.length < WORDS_MAX) words.push(lexeme.toUpperCase());
    begins = false;
  }
  return { words, verbs, empty: verbs.length === 0, several: verbs.length > 1 };
}

/** { words: the first of the first statement in upper case, verbs: the first word of each, empty, several } */
export function scan(text) {
  let found = kept.get(text);
  if (found) return found;
  found = scanFresh(text);
  kept.set(text, found);
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value);
  return found;
}

const ISOLATION = { SERIALIZABLE: 1, REPEATABLE: 2, READ: 2 };

/** What a transaction statement says, from its words; null for any other. */
export function transactionVerb({ words, several }) {
  if (several || words.length === 0) return null;
  const [first, second] = words;
  if (first === "BEGIN" || (first === "START" && second === "TRANSACTION"))
    return { verb: "BEGIN", options: beginOptions(words.slice(second === "WORK" || second === "TRANSACTION" ? 2 : 1)) };
  if (first === "SET" && second === "TRANSACTION") return { verb: "SET TRANSACTION", options: beginOptions(words.slice(2)) };
  if (words.includes("PREPARED") || words.includes("TO") || words.includes("CHAIN")) return null;
  if (first === "COMMIT" || first === "END") return { verb: "COMMIT" };
  return first === "ROLLBACK" || first === "ABORT" ? { verb: "ROLLBACK" } : null;
}

/** { isolation, readOnly, deferrable }, or null where the modes say something that these do not. */
function beginOptions(words) {
  const options = {};
  for (let i = 0; i < words.length; ) {
    if (words[i] === "ISOLATION" && words[i + 1] === "LEVEL" && ISOLATION[words[i + 2]]) {
      const n = ISOLATION[words[i + 2]];
      options.isolation = words.slice(i + 2, i + 2 + n).join(" ");
      i += 2 + n;
    } else if (words[i] === "READ" && words[i + 1] === "ONLY") {
      options.readOnly = true;
      i += 2;
    } else if (words[i] === "DEFERRABLE") {
      options.deferrable = true;
      i++;
    } else if (words[i] === ",") {
      i++;
    } else {
      return null;
    }
  }
  return options;
}
