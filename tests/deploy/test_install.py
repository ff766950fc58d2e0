# SPDX-License-Identifier: MIT
"""meson install: everything is where programs look for it, and works from there."""
import os
import re
import subprocess

import pytest

pytestmark = pytest.mark.fast

# In each place what has to be there; %A is Debian's name of the architecture or nothing.
WANTED = [
    "sbin/sidepoold", "bin/sidepool", "include/sidepool.h", "lib%A/libsidepool.so", "lib%A/libsidepool.so.0", "lib%A/pkgconfig/sidepool.pc",
    "lib/systemd/system/sidepool.service", "lib/systemd/system/sidepool.socket", "lib/systemd/system/sidepool-http.socket", "lib/sysusers.d/sidepool.conf",
    "lib/tmpfiles.d/sidepool.conf", "share/man/man1/sidepool.1", "share/man/man3/libsidepool.3", "share/man/man5/sidepool.conf.5",
    "share/man/man8/sidepoold.8", "share/bash-completion/completions/sidepool", "share/zsh/site-functions/_sidepool",
    "share/fish/vendor_completions.d/sidepool.fish", "share/doc/sidepool/examples/sidepool.conf.example",
    "share/doc/sidepool/examples/production.conf", "share/doc/sidepool/guides/runbook.md",
    "share/doc/sidepool/prometheus/sidepool.rules.yml", "share/doc/sidepool/grafana/sidepool.json",
]  # fmt: skip
# Where else a file may be: nothing of the tests, the benchmarks or the examples is installed by accident.
DOCS = r"share/doc/sidepool/(guides|examples|prometheus|grafana)/[\w.-]+"
PLACES = rf"(include/sidepool[a-z-]*\.h|s?bin/sidepoold?|lib(/[^/]+)?/libsidepool\.so[.0-9]*|{DOCS})"


def library_folder(installed):
    return next(installed.path("lib").rglob("libsidepool.so")).parent


def test_everything_is_there_and_nothing_else(installed):
    files = installed.files()
    architecture = str(library_folder(installed).relative_to(installed.path("lib"))).strip(".")
    wanted = [w.replace("%A", f"/{architecture}" if architecture else "") for w in WANTED]
    assert [w for w in wanted if w not in files] == []
    assert [f for f in files if f not in wanted and not re.fullmatch(PLACES, f)] == []


def test_nothing_lies_outside_of_the_prefix(installed):
    assert [p.name for p in installed.root.iterdir()] == ["usr"] and [p.name for p in (installed.root / "usr").iterdir()] == ["local"]


def test_no_file_names_the_build_folder(installed):
    """Neither a path to look for libraries in, nor one that was written into a text."""
    build = os.path.realpath(os.environ["SIDEPOOL_BUILD_DIR"])
    for name in installed.files():
        path = installed.path(name)
        if path.is_symlink():
            assert not os.path.isabs(os.readlink(path))
        elif path.read_bytes()[:4] == b"\x7fELF":
            dynamic = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
            assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, name
        else:
            assert build not in path.read_text() and str(installed.root) not in path.read_text(), name


def test_the_programs_run_from_there(installed):
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library_folder(installed))}
    for program in ("sbin/sidepoold", "bin/sidepool"):
        said = subprocess.run([installed.path(program), "--version"], env=environment, capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(rf"{program.split('/')[1]} \d+\.\d+\.\d+\n", said)


def test_a_program_is_built_with_pkg_config(installed, tmp_path):
    folder = library_folder(installed)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(installed.root)}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sidepool"], env=environment, capture_output=True, text=True, check=True)
    source = tmp_path / "a.c"
    source.write_text('#include <sidepool.h>\n#include <stdio.h>\nint main(void)\n{\n\treturn puts(sidepool_version()) < 0;\n}\n')
    sanitizers = ["-fsanitize=address,undefined"] if os.environ.get("SIDEPOOL_SANITIZER") else []
    subprocess.run(["gcc", "-Wall", "-Werror", *sanitizers, source, "-o", tmp_path / "a", *flags.stdout.split()], check=True)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    said = subprocess.run([tmp_path / "a"], env=environment, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", said)
