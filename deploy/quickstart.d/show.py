# SPDX-License-Identifier: MIT
"""show.py SIDEPOOL: draws the pool while others work: who holds its connections, and who waits. It asks the `sidepool` command.

Ends when standard input does.
"""
import json
import select
import subprocess
import sys

WIDTH = 40


def bar(pool):
    full, idle = pool["in_use"], pool["idle"]
    return "█" * full + "▒" * idle + "·" * max(pool["limit_in_force"] - full - idle, 0)


def picture(status):
    pool = status["pools"][0]
    lines = [
        f"pool {pool['name']}: [{bar(pool)}] {pool['in_use']} of {pool['limit_in_force']} connections in use, "
        f"{pool['waiting']} requests wait",
        f"  {pool['queries_total']} queries, {pool['batches_total']} batches, {pool['leases_total']} leases; "
        f"wait p99 {pool['wait_p99_us'] / 1000:.1f} ms; {pool['errors_total']} errors",
    ]
    for app in sorted(status["applications"], key=lambda a: a["name"]):
        if app["name"].startswith("bank-"):
            waiting = "▪" * min(app["waiting"], WIDTH) + ("…" if app["waiting"] > WIDTH else "")
            lines.append(f"  {app['name']:12} holds {app['in_use']}, waits {app['waiting']:3} {waiting}")
    return lines


def main(command):
    drawn, moving = 0, sys.stdout.isatty()
    while True:
        answer = subprocess.run([command, "--json", "status"], stdout=subprocess.PIPE, check=True).stdout
        lines = picture(json.loads(answer))
        if moving:
            print("\x1b[A" * drawn + "".join(f"\x1b[2K  {line}\n" for line in lines), end="", flush=True)
            drawn = len(lines)
        else:
            print("  " + lines[0], flush=True)
        if select.select([sys.stdin], [], [], 0.2 if moving else 1)[0]:
            return


main(sys.argv[1])
