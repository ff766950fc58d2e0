# SPDX-License-Identifier: MIT
"""The conformance driver of the package for Python: sidepool.aio, as its users use it."""
import asyncio
import json
import re
import sys

import sidepool
import sidepool.aio

FEATURES = [
    "sessions", "many", "batch", "batch_apart", "commit_with_last", "streams", "copy", "later", "statement_ids", "known_columns",
    "next_daemon", "submit",
]  # fmt: skip
ARGUMENT = re.compile(r"\$(\d+)")


def pyformat(sql, values):
    """$n of the cases as %(vn)s, and their values as a mapping."""
    if not values:
        return sql, None
    return ARGUMENT.sub(r"%(v\1)s", sql.replace("%", "%%")), {f"v{i}": v for i, v in enumerate(values, 1)}


def told(error):
    """An exception as the runner wants it."""
    if isinstance(error, asyncio.CancelledError):
        return {"code": "CANCELLED", "outcome": ""}
    diag = error.diag
    return {
        "code": error.code, "outcome": error.outcome, "retryable": error.retryable,
        "retry_after_ms": round(error.retry_after * 1000), "sqlstate": error.sqlstate, "detail": diag.message_detail,
        "hint": diag.message_hint, "constraint": diag.constraint_name, "table": diag.table_name,
        "position": int(diag.statement_position or 0), "statement_index": error.statement_index,
    }  # fmt: skip


async def result_of(cur):
    rows = [list(row) for row in await cur.fetchall()] if cur.description else []
    columns = [c.name for c in cur.description or ()]
    return {"rows": rows, "columns": columns, "tag": cur.statusmessage, "affected": max(cur.rowcount, 0)}


class Driver:
    def __init__(self):
        self.settings, self.held, self.started = {}, {}, {}
        self.root = None

    async def hello(self, _):
        return {"client": "sidepool for Python", "features": FEATURES}

    async def connect(self, step):
        seconds = {"deadline_ms": "timeout", "grace_ms": "grace", "reconnect_wait_ms": "reconnect_wait"}
        self.settings = {"socket": step["socket"], **{seconds[k]: v / 1000 for k, v in step.items() if k in seconds}}
        self.root = await self.open()
        return {}

    async def open(self, **more):
        return await sidepool.aio.connect(**{**self.settings, "autocommit": True, **more})

    async def close(self, _):
        for conn in [*self.held.values(), self.root]:
            await conn.close()
        self.held.clear()
        return {}

    async def on(self, step):
        """The connection that an operation is for: outside of transactions each has its own, and none waits for another."""
        if "on" in step:
            return self.held[step["on"]]
        return await self.open(check=True, **({"timeout": step["deadline_ms"] / 1000} if "deadline_ms" in step else {}))

    async def query(self, step):
        if step.pop("later", False):
            self.started[step["id"]] = asyncio.ensure_future(self.query(step))
            await asyncio.sleep(0)
            return {}
        conn = await self.on(step)
        return await result_of(await conn.execute(*pyformat(step["sql"], step.get("values")), commit=step.get("commit", False)))

    async def wait(self, step):
        return await self.started.pop(step["target"])

    async def cancel(self, step):
        self.started[step["target"]].cancel()
        return {}

    async def begin(self, step):
        self.held[step["as"]] = await self.open(autocommit=False)
        return {}

    async def session(self, step):
        self.held[step["as"]] = await self.open(lease="session")
        return {}

    async def commit(self, step):
        await self.held[step["on"]].commit()
        return {}

    async def rollback(self, step):
        await self.held[step["on"]].rollback()
        return {}

    async def release(self, step):
        await self.held.pop(step["on"]).close()
        return {}

    async def many(self, step):
        conn = await self.on(step)
        sql, _ = pyformat(step["sql"], step["sets"][0])
        cur = conn.cursor()
        await cur.executemany(sql, [pyformat(step["sql"], values)[1] for values in step["sets"]])
        return {"affected": cur.rowcount}

    async def batch(self, step):
        conn = await self.on(step)
        statements = [pyformat(s["sql"], s.get("values")) for s in step["statements"]]
        made = await conn.batch(statements, atomic=step["atomic"])
        return {"results": [{"error": told(m)} if isinstance(m, sidepool.Error) else await result_of(m) for m in made]}

    async def submit(self, step):
        conn = await self.on(step)
        statements = [pyformat(s["sql"], s.get("values")) for s in step["statements"]]
        options = {"try_for": step["try_ms"] / 1000} if "try_ms" in step else {}
        made = await conn.submit(statements, key=step.get("key", ""), **options)
        return {"submission_id": made.id, "journaled": made.journaled}

    async def stream(self, step):
        conn, rows = await self.on(step), []
        stream = conn.cursor().stream(step["sql"], size=step["chunk_bytes"])
        async for row in stream:
            rows.append(list(row))
            if len(rows) == step.get("take"):
                break
        await stream.aclose()
        return {"count": len(rows), "first": rows[:1], "last": rows[-1:]}

    async def copy_in(self, step):
        conn = await self.on(step)
        cur = conn.cursor()
        async with cur.copy(step["sql"]) as copy:
            for piece in step["pieces"]:
                await copy.write(piece)
            if "fail" in step:
                raise sidepool.DataError(step["fail"], code="CANCELLED")
        return {"affected": cur.rowcount}

    async def copy_out(self, step):
        conn = await self.on(step)
        async with conn.cursor().copy(step["sql"]) as copy:
            return {"data": "".join([bytes(piece).decode() async for piece in copy])}

    async def answer(self, step):
        try:
            return {"ok": await getattr(self, step["op"])(step)}
        except (sidepool.Error, asyncio.CancelledError) as e:
            return {"error": told(e)}


async def main():
    driver, loop = Driver(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        step = json.loads(line)
        print(json.dumps({"id": step["id"], **await driver.answer(step)}), flush=True)


asyncio.run(main())
