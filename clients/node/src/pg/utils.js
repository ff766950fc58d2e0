// SPDX-License-Identifier: MIT
import { prepareValue } from "../values.js";
import { escapeIdentifier, escapeLiteral } from "../sql.js";

/** (text | config, values?, callback?) as a config of its own. */
export function normalizeQueryConfig(given, values, callback) {
  const config = typeof given === "string" ? { text: given } : copyOf(given);
  if (typeof values === "function") config.callback = values;
  else if (values) config.values = values;
  if (callback) config.callback = callback;
  return config;
}

function copyOf(config) {
  if (config === null || config === undefined) return config;
  return Object.defineProperties(Object.create(Object.getPrototypeOf(config)), Object.getOwnPropertyDescriptors(config));
}

export const utils = {
  prepareValue: (value) => prepareValue(value),
  normalizeQueryConfig,
  escapeIdentifier,
  escapeLiteral,
};
