// SPDX-License-Identifier: MIT
// What clients say of their session where they have none. Programs and libraries begin and end with such statements out of
// habit: what changes nothing is answered as PostgreSQL would, what would be lost is refused.
import { SidepoolError } from "../errors.js";
import { Results } from "../result.js";
import { statements } from "../sql-scan.js";

const SETTING_VERBS = new Set(["SET", "RESET", "PREPARE", "DEALLOCATE", "LOAD"]);
/** Settings whose loss is found out by CHECK; or none: client_min_messages alters nothing but what is said beside. */
const CHECKED = new Set(["CLIENT_MIN_MESSAGES", "STANDARD_CONFORMING_STRINGS", "TIME", "TIMEZONE"]);
const UTC = /^(?:(?:Etc\/)?(?:UTC|UCT|GMT|GMT[+-]?0|Greenwich|Universal|Zulu)|<\+00(?::00)*>-00(?::00)*)$/i;

/** What a script has set and connections have not. */
const CHECK = `
SELECT name, setting, reset_val FROM pg_catalog.pg_settings
WHERE name IN ('TimeZone', 'standard_conforming_strings') AND setting IS DISTINCT FROM reset_val`;

/** Statements that give up what a session has, with their tags. */
const GIVING_UP = new Map([
  ["DISCARD ALL", "DISCARD ALL"],
  ["RESET ALL", "RESET"],
  ["RESET ROLE", "RESET"],
  ["DEALLOCATE ALL", "DEALLOCATE ALL"],
  ["DEALLOCATE PREPARE ALL", "DEALLOCATE ALL"],
  ["CLOSE ALL", "CLOSE CURSOR ALL"],
]);

/** The tag of a statement that gives up what a client without a session does not have; undefined for any other. */
export function givesUp({ words, several }) {
  return several || words.length > 3 ? undefined : GIVING_UP.get(words.join(" "));
}

/** The error of what needs a session. */
export function needsSession(message) {
  return new SidepoolError("SESSION_REQUIRED", message);
}

/** A script of nothing but settings: it would have no effect at all. */
export function isOfSettings({ verbs }) {
  return verbs.every((verb) => SETTING_VERBS.has(verb));
}

/** Throws where a script of settings has one that cannot be looked at. */
function checkNames(text) {
  for (const words of statements(text)) {
    const upper = words.map((word) => word.toUpperCase());
    const name = upper[1] === "SESSION" ? upper[2] : upper[1];
    if (upper[0] !== "SET" || !CHECKED.has(name)) throw needsSession(`${upper.slice(0, 2).join(" ")} would end with the script that it is in`);
  }
}

/** What is to be run in the place of a script of settings. */
export function checkedScript(text) {
  checkNames(text);
  return `${text}\n;${CHECK}`;
}

/** Takes the check's result from a Response; throws where the script would have changed something. */
export function takeCheck(response) {
  const results = new Results({ rowMode: "array" });
  results.add([response.results.pop()]);
  for (const [name, wanted, is] of results.list[0].rows) {
    if (name === "TimeZone" && UTC.test(wanted) && UTC.test(is)) continue;
    throw needsSession(`SET ${name} would end with the script that it is in: it says ${wanted}, the pool's connections have ${is}`);
  }
  return response;
}
