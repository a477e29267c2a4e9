"""The events of a spawn: numbered, resumable, bounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.domain.events import Event, EventLog, EventType
from spawnpenny.domain.spawns import MAX_EVENT_BYTES, MAX_EVENTS


def log_of(count, generation=3):
    log = EventLog(generation)
    for number in range(count):
        log.add(EventType.INFO, 1.0, f"event {number}")
    return log


def messages(events):
    return [event.message for event in events]


def test_an_id_is_the_generation_and_the_number():
    assert [event.id for event in log_of(3).since(None)] == ["3-1", "3-2", "3-3"]


def test_a_client_resumes_after_the_last_event_that_it_has():
    assert messages(log_of(3).since("3-1")) == ["event 1", "event 2"]
    assert log_of(3).since("3-3") == []


@pytest.mark.parametrize("last", [None, "", "2-1", "3-99", "nonsense", "-", "3-1-1"])
def test_a_client_with_another_spawns_id_gets_all(last):
    assert len(log_of(3).since(last)) == 3


def test_only_the_last_events_are_kept_and_their_numbers_go_on():
    log = log_of(MAX_EVENTS + 5)
    assert len(log) == MAX_EVENTS
    assert log.since(None)[0].id == "3-6"


def test_a_log_that_was_stored_goes_on_with_the_next_number():
    stored = [Event.from_json(json.loads(json.dumps(event.to_json()))) for event in log_of(70).since(None)]
    assert stored == log_of(70).since(None)
    assert EventLog(3, stored).add(EventType.PHASE, 2.0, "running", phase="running").id == "3-71"


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n\0é日😀'), max_size=1500))
def test_an_event_never_takes_more_than_its_bound(message):
    event = EventLog(10**6).add(EventType.STEP, 1e9, message, step="lab.pod", state="running")
    assert len(json.dumps(event.to_json(), ensure_ascii=False).encode()) <= MAX_EVENT_BYTES
    assert event.message == message or (event.message.endswith("…") and message.startswith(event.message[:-1]))
