# SPDX-License-Identifier: MIT
"""Draws the pool while others work: who holds its connections, and who waits. Ends when standard input does."""
import asyncio
import os
import sys

from sp import Client, Request

WIDTH = 40


def bar(pool):
    full, idle = pool.in_use, pool.idle
    return "█" * full + "▒" * idle + "·" * max(pool.limit_in_force - full - idle, 0)


def picture(status):
    pool = status.pools[0]
    lines = [
        f"pool {pool.name}: [{bar(pool)}] {pool.in_use} of {pool.limit_in_force} connections in use, "
        f"{pool.waiting} requests wait",
        f"  {pool.queries_total} queries, {pool.batches_total} batches, {pool.leases_total} leases; "
        f"wait p99 {pool.wait_p99_us / 1000:.1f} ms; {pool.errors_total} errors",
    ]
    for app in sorted(status.applications, key=lambda a: a.name):
        if app.name.startswith("bank-"):
            waiting = "▪" * min(app.waiting, WIDTH) + ("…" if app.waiting > WIDTH else "")
            lines.append(f"  {app.name:12} holds {app.in_use}, waits {app.waiting:3} {waiting}")
    return lines


async def main():
    client = await Client().open(os.environ["SIDEPOOL_SOCKET"], "quickstart")
    request, drawn, over = Request(), 0, asyncio.Event()
    request.status.SetInParent()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    while not over.is_set():
        lines = picture((await client.call(request)).status)
        if sys.stdout.isatty():
            print("\x1b[A" * drawn + "".join(f"\x1b[2K  {line}\n" for line in lines), end="", flush=True)
            drawn = len(lines)
        else:
            print("  " + lines[0], flush=True)
        try:
            await asyncio.wait_for(over.wait(), 0.2 if sys.stdout.isatty() else 1)
        except asyncio.TimeoutError:
            pass
    client.close()


asyncio.run(main())
