#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes src/sidepool/_descriptors.bin from proto/: a FileDescriptorSet without comments. Needs protoc.

make_descriptors.py [--check]   with --check nothing is written; exit status 1 if the file is stale
"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent.parent.parent / "proto"
TARGET = HERE.parent / "src" / "sidepool" / "_descriptors.bin"


def describe():
    files = sorted(str(p.relative_to(PROTO)) for p in PROTO.glob("sidepool/v1/*.proto"))
    with tempfile.NamedTemporaryFile(suffix=".bin") as out:
        command = ["protoc", f"-I{PROTO}", f"--descriptor_set_out={out.name}", "--include_imports", *files]
        subprocess.run(command, check=True)
        return pathlib.Path(out.name).read_bytes()


def main():
    wanted = describe()
    if "--check" in sys.argv[1:]:
        return 0 if TARGET.exists() and TARGET.read_bytes() == wanted else 1
    TARGET.write_bytes(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
