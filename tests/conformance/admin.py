# SPDX-License-Identifier: MIT
"""What the runner does to a real daemon beside the client: over a wire of its own."""
from lib.wire import Request, Wire


def make_admin(path):
    def admin(action):
        with Wire(path) as wire:
            {"revoke": revoke_all}[action](wire)

    return admin


def revoke_all(wire):
    request = Request()
    request.status.SetInParent()
    leases = wire.call(request).status.leases
    assert leases, "there is no lease to revoke"
    for lease in leases:
        request = Request()
        request.admin.revoke_lease.lease_id = lease.lease_id
        wire.call(request)
