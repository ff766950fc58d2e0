# SPDX-License-Identifier: MIT
"""Queries of many clients on one connection at once."""
import pytest
from lib.wire import Wire

CLIENTS, ROUNDS, QUERIES = 8, 20, 50
DDL = "CREATE OR REPLACE FUNCTION passed_by() RETURNS int LANGUAGE sql AS 'SELECT 1'"


@pytest.mark.fast
@pytest.mark.settings({"sidepool": {"budget": 2}})
def test_the_catalog_is_looked_through_between_them(daemon):
    """A DDL tag, here on a lease, has it looked through behind the next query that ends: others' are ahead of it and behind."""
    wires = [Wire(daemon.socket) for _ in range(CLIENTS)]
    lease = wires[0].lease()
    for _ in range(20):
        wires[0].query("SELECT 1")  # a statement whose time is known may share a connection
    for _ in range(ROUNDS):
        sent = [(wire, wire.send(wire.query_request("SELECT 1"))) for _ in range(QUERIES) for wire in wires]
        wires[0].query(DDL, lease=lease)
        for wire, request in sent:
            answer = wire.receive(request)
            assert not answer.HasField("error"), answer.error
    wires[0].query("DROP FUNCTION passed_by", lease=lease)
    wires[0].release(lease)
    for wire in wires:
        wire.close()
