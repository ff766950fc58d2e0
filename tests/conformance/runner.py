# SPDX-License-Identifier: MIT
"""Runs cases (cases/*.json) through a driver; README.md says what both are."""
import contextlib
import json
import pathlib
import queue
import subprocess
import tempfile
import threading

from google.protobuf import text_format
from played import GUARD_S, PlayedDaemon, Request, Response, Unexpected, parse

HERE = pathlib.Path(__file__).resolve().parent


class Failed(Exception):
    """The client did not tell what the case expects."""


class Skipped(Exception):
    """The driver, or the runner, has not what the case needs."""


def load_cases(only=""):
    """All cases, each with the name of its file."""
    found = []
    for file in sorted((HERE / "cases").glob("*.json")):
        found += [{**case, "name": f"{file.stem}: {case['name']}"} for case in json.loads(file.read_text())]
    return [case for case in found if only in case["name"]]


class Driver:
    """The program around a client."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(
            [str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True, bufsize=1
        )
        self.lines, self.last = queue.Queue(), 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        said = self.ask({"op": "hello"})["ok"]
        self.client, self.features = said["client"], set(said["features"])

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def ask(self, operation):
        self.last += 1
        try:
            self.process.stdin.write(json.dumps({"id": self.last, **operation}) + "\n")
            line = self.lines.get(timeout=GUARD_S)
        except queue.Empty:
            raise Failed(f"the driver did not answer within {GUARD_S} s: {operation}") from None
        except BrokenPipeError:
            line = None
        if line is None:
            raise Failed(f"the driver ended with status {self.process.wait()} upon {operation}")
        answer = json.loads(line)
        if answer.get("id") != self.last or ("ok" in answer) == ("error" in answer):
            raise Failed(f"the driver answered {operation} with {line.strip()}")
        return answer

    def close(self):
        """It ends with its input. Raises Failed where it does not, or leaves with another status than 0."""
        self.process.stdin.close()
        try:
            status = self.process.wait(GUARD_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"{self.process.wait()}, having been killed"
        self.reader.join(GUARD_S)
        self.process.stdout.close()
        if status != 0:
            raise Failed(f"the driver left with status {status}")


def expand(value):
    """{"repeat": ["x", 3]} becomes "xxx"."""
    if isinstance(value, dict):
        if set(value) == {"repeat"}:
            return value["repeat"][0] * value["repeat"][1]
        return {k: expand(v) for k, v in value.items()}
    return [expand(v) for v in value] if isinstance(value, list) else value


def agrees(wanted, seen):
    if isinstance(wanted, dict):
        if "one_of" in wanted:
            return any(agrees(w, seen) for w in wanted["one_of"])
        if "at_least" in wanted:
            return isinstance(seen, (int, float)) and seen >= wanted["at_least"]
        return isinstance(seen, dict) and all(agrees(v, seen.get(k)) for k, v in wanted.items())
    if isinstance(wanted, list):
        return isinstance(seen, list) and len(wanted) == len(seen) and all(map(agrees, wanted, seen))
    return wanted == seen or (not wanted and not seen)  # absent, "", 0 and false are one


def shorten(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 600 else text[:600] + "..."


def judge(step, answer):
    kind, wanted = ("error", step["fails"]) if "fails" in step else ("ok", step.get("expect", {}))
    if kind not in answer or not agrees(wanted, answer[kind]):
        raise Failed(f"{shorten(step)}\nexpected: {kind} {shorten(wanted)}\nthe client told: {shorten(answer)}")


@contextlib.contextmanager
def daemon_of(case, path):
    """The socket that the case runs on."""
    if "daemon" not in case:
        if not path:
            raise Skipped("it needs a real daemon: --socket")
        yield path, None
        return
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as folder:
        played = PlayedDaemon(expand(case["daemon"]), pathlib.Path(folder) / "s")
        try:
            yield played.path, played
        except Failed as e:
            try:
                played.end()
            except Unexpected as why:
                raise Failed(f"{e}\n{why}") from None
            raise
        played.end()


def run_case(case, command, path=None, admin=None, env=None):
    """Run it in a driver of its own. Raises Skipped, Failed or Unexpected."""
    driver = Driver(command, env)
    try:
        if missing := set(case.get("needs", ())) - driver.features:
            raise Skipped(f"{driver.client} has no {', '.join(sorted(missing))}")
        with daemon_of(case, path) as (socket_path, played):
            run_steps(case, driver, str(socket_path), played, admin)
    except BaseException:
        with contextlib.suppress(Failed):  # that it came to a bad end is known
            driver.close()
        raise
    driver.close()


def covers(wanted, seen):
    """Whether all that a message of the case has stands in what came."""
    for field, value in wanted.ListFields():
        other = getattr(seen, field.name)
        if field.message_type is None:
            same = value == other
        elif hasattr(value, "ListFields"):
            same = seen.HasField(field.name) and covers(value, other)
        else:
            same = len(value) == len(other) and all(map(covers, value, other))
        if not same:
            return False
    return True


def run_raw(step, driver, kept):
    """A message as it is, and what must be in the answer."""
    text, wanted = step.get("request", ""), step["answer"]
    for name, value in kept.items():
        text, wanted = (t.replace(f"{{{name}}}", str(value)) for t in (text, wanted))
    message = bytes.fromhex(step["bytes"]) if "bytes" in step else parse(text, Request).SerializeToString()
    answer = driver.ask({"op": "raw", "request": message.hex()})
    response = Response.FromString(bytes.fromhex(answer["ok"]["response"]))
    if not covers(parse(wanted, Response), response):
        said = text_format.MessageToString(response, as_one_line=True)
        raise Failed(f"{text or step['bytes']}\nexpected: {wanted}\nthe daemon answered: {said}")
    for name, path in step.get("keep", {}).items():
        value = response
        for part in path.split("."):
            value = value[int(part)] if part.isdigit() else getattr(value, part)
        kept[name] = value


def run_steps(case, driver, path, played, admin):
    steps, numbers, kept = expand(case["steps"]), {}, {}
    if steps[0]["op"] != "connect":
        steps = [{"op": "connect"}, *steps]
    for step in steps:
        operation = {k: v for k, v in step.items() if k not in ("expect", "fails")}
        if step["op"] == "admin":
            if not admin:
                raise Skipped("it needs a runner that may revoke leases")
            admin(step["action"])
            continue
        if step["op"] == "raw":
            run_raw(step, driver, kept)
            continue
        if step["op"] == "connect":
            operation.setdefault("socket", path)
        if "target" in operation:
            operation["target"] = numbers[operation["target"]]
        if played and not played.settled.wait(GUARD_S):
            raise Failed("the runner's daemon does not come to rest")
        answer = driver.ask({k: v for k, v in operation.items() if k != "name"})
        numbers[step.get("name")] = driver.last
        judge(step, answer)
