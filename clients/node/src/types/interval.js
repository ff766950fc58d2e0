// SPDX-License-Identifier: MIT
// interval in PostgreSQL's own style ("1 year 2 mons -3 days 04:05:06.789") as an object with the parts that are not 0.
// https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-OUTPUT

const INTERVAL =
  /^(?:([+-]?\d+) years?)? ?(?:([+-]?\d+) mons?)? ?(?:([+-]?\d+) days?)? ?(?:([+-])?(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?$/;
const DATE_UNITS = { years: "Y", months: "M", days: "D" };
const TIME_UNITS = { hours: "H", minutes: "M", seconds: "S" };
const ALL_UNITS = ["seconds", "minutes", "hours", "days", "months", "years"];

function isoPart(interval, units) {
  return Object.entries(units)
    .map(([unit, letter]) => `${unit === "seconds" ? interval.isoSeconds() : interval[unit] ?? 0}${letter}`)
    .join("");
}

export class PostgresInterval {
  constructor(text) {
    const m = INTERVAL.exec(text ?? "");
    if (!m) return;
    const sign = m[4] === "-" ? -1 : 1;
    const parts = { years: m[1], months: m[2], days: m[3] };
    for (const key in parts) if (Number(parts[key] ?? 0) !== 0) this[key] = Number(parts[key]);
    const time = { hours: m[5], minutes: m[6], seconds: m[7] };
    for (const key in time) if (Number(time[key] ?? 0) !== 0) this[key] = sign * Number(time[key]);
    const micros = Number((m[8] ?? "").padEnd(6, "0"));
    if (micros !== 0) this.milliseconds = (sign * micros) / 1000;
  }

  #wholeSeconds() {
    return ((this.seconds ?? 0) + (this.milliseconds ?? 0) / 1000).toFixed(6);
  }

  /** @internal */
  isoSeconds() {
    return this.milliseconds ? this.#wholeSeconds().replace(/0+$/, "") : this.seconds ?? 0;
  }

  /** As a parameter. */
  toPostgres() {
    const units = ALL_UNITS.filter((unit) => Object.hasOwn(this, unit));
    if (this.milliseconds && !units.includes("seconds")) units.push("seconds");
    if (units.length === 0) return "0";
    return units
      .map((unit) => (unit === "seconds" && this.milliseconds ? this.#wholeSeconds().replace(/\.?0+$/, "") : this[unit]) + ` ${unit}`)
      .join(" ");
  }

  /** ISO 8601: P1Y2M3DT4H5M6.7S */
  toISOString() {
    return `P${isoPart(this, DATE_UNITS)}T${isoPart(this, TIME_UNITS)}`;
  }

  toISO() {
    return this.toISOString();
  }
}

export const parseInterval = (text) => new PostgresInterval(text);
