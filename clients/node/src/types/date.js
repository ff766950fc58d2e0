// SPDX-License-Identifier: MIT
// PostgreSQL's dates and timestamps in ISO style, as Date. A date or a timestamp without time zone is local time. A Date
// has milliseconds: what is finer is lost. infinity and -infinity are the numbers.
// https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-DATETIME-OUTPUT

const TIMESTAMP = /^(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)?(?:([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?|Z)?( BC)?$/;
const DATE = /^(\d+)-(\d\d)-(\d\d)( BC)?$/;
const YEARS_THAT_DATE_MOVES = 100; // 0 to 99 become 1900 to 1999

function localDate(year, month, day, ...time) {
  const date = new Date(year, month, day, ...time);
  if (year >= 0 && year < YEARS_THAT_DATE_MOVES) date.setFullYear(year, month, day);
  return date;
}

function utcDate(year, month, day, ...time) {
  const date = new Date(Date.UTC(year, month, day, ...time));
  if (year >= 0 && year < YEARS_THAT_DATE_MOVES) date.setUTCFullYear(year, month, day);
  return date;
}

function parseDay(text) {
  const m = DATE.exec(text);
  if (!m) return null;
  return localDate(m[4] ? 1 - Number(m[1]) : Number(m[1]), Number(m[2]) - 1, Number(m[3]));
}

/** date, timestamp or timestamptz as a Date; null for what is none of them. */
export function parseDate(text) {
  const m = TIMESTAMP.exec(text);
  if (!m) {
    if (text === "infinity") return Infinity;
    return text === "-infinity" ? -Infinity : parseDay(text);
  }
  const year = m[12] ? 1 - Number(m[1]) : Number(m[1]);
  const ms = m[7] ? Math.trunc(Number(m[7].slice(0, 8)) * 1000 + 1e-6) : 0;
  const fields = [year, Number(m[2]) - 1, Number(m[3]), Number(m[4]), Number(m[5]), Number(m[6]), ms];
  if (m[8] === undefined) return text.includes("Z") ? utcDate(...fields) : localDate(...fields);
  const offset = (Number(m[9]) * 3600 + Number(m[10] ?? 0) * 60 + Number(m[11] ?? 0)) * 1000;
  return new Date(utcDate(...fields).getTime() - (m[8] === "-" ? -offset : offset));
}

const pad = (n, width = 2) => String(n).padStart(width, "0");

function join(year, month, day, hours, minutes, seconds, ms, zone) {
  const bc = year < 1;
  const day_ = `${pad(bc ? 1 - year : year, 4)}-${pad(month + 1)}-${pad(day)}`;
  return `${day_}T${pad(hours)}:${pad(minutes)}:${pad(seconds)}.${pad(ms, 3)}${zone}${bc ? " BC" : ""}`;
}

/** A Date as a parameter, in local time with its offset. */
export function formatLocal(d) {
  const offset = -d.getTimezoneOffset();
  const minutes = Math.abs(offset);
  const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
  return join(
    d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds(), zone,
  );
}

/** A Date as a parameter, in UTC. */
export function formatUtc(d) {
  return join(
    d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(),
    d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds(), "+00:00",
  );
}
