"""Tickets of dashboards."""

from __future__ import annotations

from spawnpenny.web.tickets import MOST, Tickets


def test_there_are_so_many_tickets_of_a_spawn_and_no_more():
    tickets = Tickets()
    first, *rest = [tickets.new("a") for _ in range(MOST + 1)]
    tickets.new("b")
    assert not tickets.use("a", first)
    assert all(tickets.use("a", ticket) for ticket in rest)
    assert not any(tickets.use("a", ticket) for ticket in rest)
