// SPDX-License-Identifier: MIT
// Type parsers of one client over the common ones.
import * as types from "../types/index.js";

export class TypeOverrides {
  constructor(userTypes) {
    this._types = userTypes || types;
    this.text = {};
    this.binary = {};
  }

  getOverrides(format) {
    return { text: this.text, binary: this.binary }[format] ?? {};
  }

  setTypeParser(oid, format, parse) {
    if (typeof format === "function") this.text[oid] = format;
    else this.getOverrides(format)[oid] = parse;
  }

  getTypeParser(oid, format = "text") {
    return this.getOverrides(format)[oid] || this._types.getTypeParser(oid, format);
  }
}
