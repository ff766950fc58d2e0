# SPDX-License-Identifier: MIT
"""What went wrong must be counted, whatever way it went wrong."""
import json

import pytest
from counts import Counts, junit, meson_log, meson_test, node_tap, tap


def count(counter, *arguments):
    counts = Counts()
    counter(*arguments, counts)
    return counts


def meson(stdout, result="OK"):
    return count(meson_test, {"name": "t", "result": result, "stdout": stdout})


def test_each_case_of_a_binary_is_counted():
    counts = meson("1..3\nok 1 - a\nok 2 - b\nnot ok 3 - c\n# t.c:1: error\n", "FAIL")
    assert str(counts) == "2 passed, 1 failed, 0 skipped"
    assert counts.failures[0][0] == "t: c" and "t.c:1" in counts.failures[0][1]


def test_the_plans_of_several_groups_are_added():
    assert str(meson("1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n")) == "3 passed, 0 failed, 0 skipped"


def test_a_skipped_case_is_no_failure_in_either_notation():
    cases, planned = tap("1..2\nnot ok 1 # SKIP test_a\nok 2 - test_b # skip no such machine\n")
    assert (cases, planned) == ([("test_a", "skipped"), ("test_b", "skipped")], 2)


def test_a_crash_after_some_cases_is_one_failure():
    assert str(meson("1..3\nok 1 - a\n", "FAIL")) == "1 passed, 1 failed, 0 skipped"


def test_a_crash_after_a_skipped_case_is_one_failure():
    assert str(meson("1..3\nok 1 - a\nnot ok 2 # SKIP b\n", "FAIL")) == "1 passed, 1 failed, 1 skipped"


def test_leaving_early_with_status_0_is_a_failure():
    assert str(meson("1..3\nok 1 - a\n")) == "1 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize("result, told", [("OK", "1 passed, 0 failed, 0"), ("SKIP", "0 passed, 0 failed, 1"), ("TIMEOUT", "0 passed, 1 failed, 0")])
def test_a_binary_without_tap_is_one_test(result, told):
    assert str(meson("hello\n", result)) == f"{told} skipped"


def test_pytest_under_meson_is_counted_by_its_junit(tmp_path):
    (tmp_path / "t.xml").write_text('<testsuites><testcase classname="m" name="a"/><testcase classname="m" name="b"/></testsuites>')
    log = tmp_path / "testlog.json"
    log.write_text(json.dumps({"name": "sidepool:interop / t", "result": "OK", "stdout": ""}) + "\n")
    assert str(count(meson_log, log, tmp_path)) == "2 passed, 0 failed, 0 skipped"
    log.write_text(json.dumps({"name": "sidepool:interop / t", "result": "FAIL", "stdout": "killed"}) + "\n")
    assert str(count(meson_log, log, tmp_path)) == "2 passed, 1 failed, 0 skipped"


def test_a_test_whose_teardown_fails_too_is_one(tmp_path):
    cases = '<testcase classname="m" name="a"><failure>f</failure></testcase><testcase classname="m" name="a"><error>e</error></testcase>'
    (tmp_path / "r.xml").write_text(f'<testsuites>{cases}<testcase classname="m" name="b"><skipped/></testcase></testsuites>')
    counts = count(junit, tmp_path / "r.xml")
    assert str(counts) == "0 passed, 1 failed, 1 skipped" and counts.failures[0][1] == "f\ne"


NODE = """TAP version 13
# Subtest: outer
    # Subtest: inner
    not ok 1 - inner
      ---
      error: 'boom'
      ...
    1..1
not ok 1 - outer
  ---
  error: '1 subtest failed'
  ...
1..1
# tests 3
# pass {}
# fail {}
# cancelled 0
# skipped 1
# todo 0
"""


def test_nested_tests_of_node_are_counted_with_their_details():
    counts = count(node_tap, NODE.format(0, 2), 1)
    assert str(counts) == "0 passed, 2 failed, 1 skipped"
    assert counts.failures[0][0] == "node: inner" and "boom" in counts.failures[0][1]


@pytest.mark.parametrize("text, status", [("", 0), ("TAP version 13\nok 1 - a\n", -9), (NODE.format(3, 0), 1)])
def test_a_node_that_dies_is_a_failure(text, status):
    assert count(node_tap, text, status).failed == 1
