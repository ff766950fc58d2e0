# SPDX-License-Identifier: MIT
"""the Node client"""

import json
import os
import platform

from group import BUILD, TOP
from group import run as run_logged

ORDER = 80
NEEDS = "clients/node/test"
# Later versions of Node, as the registry has them; the one on the machine is the oldest that is supported, or near it.
VERSIONS = {"22": "22.23.3", "24": "24.21.0", "26": "26.10.0"}
SAME_EVERYWHERE = {"package.test.js"}  # looks at files, not at what runs


def tests(here, folder):
    return sorted(f.relative_to(here) for f in (here / folder).glob("*.test.*js"))


def later_versions(group):
    """Where the programs of VERSIONS are: { "22": folder }. Nothing, and a failure, if they cannot be had."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folder = BUILD / "node-versions"
    wanted = {f"node{major}": f"npm:node-linux-{machine}@{version}" for major, version in VERSIONS.items()}
    manifest = json.dumps({"private": True, "dependencies": wanted})
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_text() != manifest:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(manifest)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
        status, output = run_logged(command, group.log("node-install"), cwd=folder)
        if status != 0:
            group.counts.add("node: install later versions", "failed", output)
            return {}
        stamp.write_text(manifest)
    return {major: folder / "node_modules" / f"node{major}" / "bin" for major in VERSIONS}


def run(group):
    here = TOP / "clients" / "node"
    if group.build():
        group.node(*tests(here, "test"), env=group.programs(), cwd=here)
        if group.mode == "all":
            group.node(*tests(here, "suites"), env=group.programs(), cwd=here, name="node-suites")
            files = [name for name in tests(here, "test") if name.name not in SAME_EVERYWHERE]
            for major, programs in later_versions(group).items():
                env = {**group.programs(), "PATH": f"{programs}:{os.environ['PATH']}"}
                group.node(*files, env=env, cwd=here, name=f"node-{major}")
