#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files as arrays of C, without a zero byte at the end: embed.py FILE..."""
import pathlib
import sys

print("/* SPDX-License-Identifier: MIT */\n/* Made by src/http/embed.py; do not edit. */\n#pragma once")
for name in sys.argv[1:]:
    path = pathlib.Path(name)
    data = path.read_bytes()
    print(f"\nstatic const unsigned char {path.name.replace('.', '_')}[{len(data)}] = {{")
    for at in range(0, len(data), 20):
        print("\t" + " ".join(f"{byte}," for byte in data[at : at + 20]))
    print("};")
