"""The receiver of webhooks: what it notes, and that it takes what a daemon sends."""

from __future__ import annotations

import http.client
import json
import time

from bench.hook import Hook


def post(connection: http.client.HTTPConnection, body: bytes, attempt: int = 1) -> int:
    connection.request("POST", "/", body, {"Smsgw-Attempt": str(attempt)})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_posts_on_a_kept_connection_are_noted_in_their_order() -> None:
    with Hook() as hook:
        connection = http.client.HTTPConnection(hook.url[7:-1])
        for seq in range(3):
            event = {"type": "inbound", "event_id": f"1-{seq}", "redelivered": seq == 2, "text": "x" * 70_000 * seq}
            assert post(connection, json.dumps(event).encode(), seq + 1) == 200
        connection.close()
    assert [(p.event.event_id, p.attempt, p.event.redelivered) for p in hook.taken()] == [
        ("1-0", 1, False), ("1-1", 2, False), ("1-2", 3, True),
    ]  # fmt: skip
    assert len(hook.posts[2].event.text or "") == 140_000
    assert hook.errors == []


def test_a_share_of_the_posts_fails_and_is_not_taken() -> None:
    with Hook(failing=0.5, seed=1) as hook:
        connection = http.client.HTTPConnection(hook.url[7:-1])
        answers = [post(connection, b'{"event_id":"1-%d"}' % i) for i in range(40)]
        connection.close()
    assert [p.status for p in hook.posts] == answers
    assert 5 < answers.count(500) < 35
    assert len(hook.taken()) == answers.count(200)


def test_a_slow_one_answers_after_its_delay_and_one_after_the_other() -> None:
    with Hook(delay=0.05) as hook:
        connection = http.client.HTTPConnection(hook.url[7:-1])
        began = time.monotonic()
        assert [post(connection, b'{"event_id":"1-%d"}' % i) for i in range(2)] == [200, 200]
        assert time.monotonic() - began >= 0.1
        connection.close()
    assert len(hook.taken()) == 2


def test_what_is_no_event_is_an_error_and_the_connection_is_closed() -> None:
    with Hook() as hook:
        connection = http.client.HTTPConnection(hook.url[7:-1])
        try:
            post(connection, b"[]")
        except http.client.RemoteDisconnected:
            pass
        connection.close()
    assert hook.posts == []
    assert len(hook.errors) == 1
