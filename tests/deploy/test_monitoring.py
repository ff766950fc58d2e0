# SPDX-License-Identifier: MIT
"""Alerts and dashboard: promtool accepts them, and every metric and label in them is one that the daemon has."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

pytestmark = pytest.mark.fast

TOP = pathlib.Path(__file__).resolve().parents[2]
PROMETHEUS = TOP / "deploy/prometheus"
# Prometheus' own, and those that it puts on every series.
OF_PROMETHEUS = {"up", "ALERTS"}
LABELS_OF_PROMETHEUS = {"job", "instance", "le", "alertname"}


def promtool(*arguments, cwd=None):
    done = subprocess.run(["promtool", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_accepts_rules_and_configuration():
    assert promtool("check", "rules", PROMETHEUS / "sidepool.rules.yml")[0] == 0
    status, said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert status == 0 and "1 rule files found" in said


def test_alerts_are_raised_when_they_should_be_and_not_else(tmp_path):
    for file in (PROMETHEUS / "sidepool.rules.yml", TOP / "tests/deploy/alerts.yml"):
        shutil.copy(file, tmp_path)
    status, said = promtool("test", "rules", "alerts.yml", cwd=tmp_path)
    assert status == 0, said


def test_no_alert_is_left_out_of_the_test():
    alerts = set(re.findall(r"- alert: (\w+)", (PROMETHEUS / "sidepool.rules.yml").read_text()))
    raised = [t for t in yaml.safe_load((TOP / "tests/deploy/alerts.yml").read_text())["tests"] if t["name"] != "a day like any other"]
    assert {alert for alert in alerts if f"'{alert}'" in str(raised) or f'alertname="{alert}"' in str(raised)} == alerts


def test_every_metric_of_the_alerts_has_a_day_like_any_other():
    """Else an alert that is always raised would pass for one that is not."""
    rules = " ".join(re.findall(r"expr: (.*(?:\n {10,}.*)*)", (PROMETHEUS / "sidepool.rules.yml").read_text()))
    (usual,) = [t for t in yaml.safe_load((TOP / "tests/deploy/alerts.yml").read_text())["tests"] if t["name"] == "a day like any other"]
    told = {re.sub(r"_bucket$", "", s["series"].split("{")[0]) for s in usual["input_series"]}
    assert used_names(rules)[0] <= told


def test_every_alert_says_where_to_read_on():
    text = (PROMETHEUS / "sidepool.rules.yml").read_text()
    headings = set(re.findall(r"^## (\d+) (\w+)$", (TOP / "deploy/guides/runbook.md").read_text(), re.M))
    runbooks = re.findall(r'^ +runbook: "(.*)"$', text, re.M)
    assert len(runbooks) == len(re.findall(r"- alert:", text)) > 8
    for where in runbooks:
        assert (TOP / "deploy/guides" / where.split(",")[0]).exists()
        assert set(re.findall(r"(\d+) ([A-Z_]{4,})", where)) <= headings


def dashboard():
    return json.loads((TOP / "deploy/grafana/sidepool.json").read_text())


def queries():
    return [t["expr"] for panel in dashboard()["panels"] for t in panel["targets"]]


def test_the_dashboard_is_whole():
    d = dashboard()
    ids = [p["id"] for p in d["panels"]]
    assert len(ids) == len(set(ids)) > 15
    places = [(x, y) for p in d["panels"] for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
              for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])]  # fmt: skip
    assert len(places) == len(set(places)) and max(x for x, _ in places) < 24, "panels lie over each other"
    variables = {v["name"] for v in d["templating"]["list"]}
    used = {name for q in queries() for name in re.findall(r"\$(\w+)", q)} - {"__rate_interval"}
    assert used <= variables and {"instance", "pool", "application"} <= used


def test_promql_of_the_dashboard_can_be_read(tmp_path):
    rules = [{"record": f"query:{i}", "expr": q.replace("$__rate_interval", "1m")} for i, q in enumerate(queries())]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    status, said = promtool("check", "rules", tmp_path / "queries.yml")
    assert status == 0, said


def used_names(text):
    """({metric}, {label}) of PromQL; the suffixes of a histogram are taken off."""
    found = re.findall(r"\b((?:sidepool|db_client)_\w+)\b", text)
    names = {re.sub(r"_(bucket|sum|count)$", "", n) if "_seconds_" in n else n for n in found}
    labels = set(re.findall(r"(\w+)=~?\"", text)) | {w for by in re.findall(r"by \(([^)]*)\)", text) for w in re.split(r",\s*", by)}
    return names, labels


def test_every_metric_and_label_is_one_that_the_daemon_has(exposed):
    families, labels = exposed
    rules = (PROMETHEUS / "sidepool.rules.yml").read_text()
    variables = " ".join(v.get("definition", "") for v in dashboard()["templating"]["list"])
    for text in (" ".join(queries()), " ".join(re.findall(r"expr: (.*(?:\n {10,}.*)*)", rules)), variables):
        names, used = used_names(text)
        assert names and sorted(names - families - OF_PROMETHEUS) == []
        assert sorted(used - labels - LABELS_OF_PROMETHEUS) == []


@pytest.fixture(scope="module")
def exposed(sidepoold):
    """The families of /metrics of a daemon, and the labels that the sources put on them: not all of them occur in a short life."""
    if "#http_socket" not in subprocess.run([sidepoold, "--print-example"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this daemon has no /metrics")
    sys.path.insert(0, str(TOP / "tests/integration"))
    from lib.daemon import Daemon

    daemon = Daemon("postgresql://nobody@127.0.0.1:1/none", config={"pool main": {"min_size": 0}})
    try:
        daemon.start()
        text = get(daemon.dir / "http.sock", "/metrics")
    finally:
        daemon.close()
        daemon.remove()
    families = set(re.findall(r"^# TYPE (\w+) ", text, re.M))
    assert "sidepool_budget" in families
    sources = "".join(p.read_text() for p in (TOP / "src/http").glob("*.c"))
    labels = [a or b for a, b in re.findall(r'label = "(\w+)"|put_label\(s, "(\w+)"', sources)]
    return families, set(labels)


def get(path, what):
    import socket

    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(path))
        s.sendall(f"GET {what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := s.recv(65536):
            answer += part
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b" 200 " in head.splitlines()[0], head
    return body.decode()
