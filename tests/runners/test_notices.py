"""Messages of other threads: delivered here, while results are waited for."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from dctbench.runners.notices import Notices


def put_elsewhere(notices: Notices, *texts: str) -> None:
    for text in texts:
        thread = threading.Thread(target=notices.put, args=(text,))
        thread.start()
        thread.join()


def test_messages_of_other_threads_are_delivered_here_in_order_while_a_result_is_waited_for() -> None:
    told: list[tuple[str, threading.Thread]] = []
    future: Future[int] = Future()

    def deliver(text: str) -> None:
        told.append((text, threading.current_thread()))
        if text == "two":  # the answer to the second one comes from yet another thread, while this one waits
            threading.Thread(target=notices.put, args=("three",)).start()
        if text == "three":
            future.set_result(1)

    notices = Notices(deliver)
    put_elsewhere(notices, "one", "two")
    assert told == []
    assert notices.wait([future]) == {future}
    assert told == [(text, threading.current_thread()) for text in ("one", "two", "three")]


def test_a_message_of_this_thread_is_delivered_at_once() -> None:
    told: list[str] = []
    Notices(told.append).put("one")
    assert told == ["one"]


def test_waiting_ends_with_its_time_after_messages_too() -> None:
    told: list[str] = []
    notices = Notices(told.append)
    assert notices.wait([Future[int]()], timeout=0.0) == set()
    put_elsewhere(notices, "one")
    assert notices.wait([Future[int]()], timeout=0.01) == set()
    assert told == ["one"]


def test_what_a_listener_raises_ends_the_wait() -> None:
    def deliver(text: str) -> None:
        raise ValueError(text)

    notices = Notices(deliver)
    put_elsewhere(notices, "one")
    with pytest.raises(ValueError, match="one"):
        notices.wait([Future[int]()])
