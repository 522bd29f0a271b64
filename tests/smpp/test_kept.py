"""query_sm, cancel_sm and replace_sm of messages that the simulator has taken."""

from __future__ import annotations

import re

import pytest

from voipsms.smpp.kept import Kept
from voipsms.smpp.pdu import Cancel, Query, QueryAnswer, Replace, ShortMessage
from voipsms.smpp.status import ESME_RCANCELFAIL, ESME_RINVMSGID, ESME_ROK, ESME_RREPLACEFAIL

MESSAGE = ShortMessage(source_addr="Foo", destination_addr="361", short_message=b"hello")
NUMBER = 0x1F2E


def kept(word: str = "DELIVRD") -> Kept:
    """One message, on its way until 10."""
    messages = Kept(3)
    messages.add(NUMBER, MESSAGE, 10, word)
    return messages


@pytest.mark.parametrize(
    "now, word, state, final",
    [
        (9, "DELIVRD", 1, False),
        (10, "DELIVRD", 2, True),
        (10, "EXPIRED", 3, True),
        (10, "UNDELIV", 5, True),
        (10, "ACCEPTD", 6, True),
        (10, "REJECTD", 8, True),
        (10, "WHAT", 7, True),
    ],
)
def test_query(now: float, word: str, state: int, final: bool) -> None:
    status, answer = kept(word).query(Query("1f2e", 5, 0, "Foo"), now)
    assert status == ESME_ROK
    assert isinstance(answer, QueryAnswer)
    assert (answer.message_id, answer.message_state) == ("1f2e", state)
    assert bool(re.fullmatch(r"\d{12}000\+", answer.final_date)) is final


NOT_FOUND = [("1f2f", "Foo"), ("", "Foo"), ("what", "Foo"), ("1f2e", "Bar")]


@pytest.mark.parametrize("message_id, source", NOT_FOUND)
def test_not_found(message_id: str, source: str) -> None:
    """Nor for anybody else than who submitted it."""
    messages = kept()
    assert messages.query(Query(message_id, 5, 0, source), 0) == (ESME_RINVMSGID, None)
    assert messages.replace(Replace(message_id, 5, 0, source), 0) == ESME_RINVMSGID
    if message_id:
        assert messages.cancel(Cancel("", message_id, 5, 0, source), 0) == (ESME_RINVMSGID, ())


def test_cancel() -> None:
    messages = kept()
    status, (stopped,) = messages.cancel(Cancel("", "1f2e", 5, 0, "Foo"), 5)
    assert (status, stopped.number, stopped.cancelled) == (ESME_ROK, NUMBER, True)
    status, answer = messages.query(Query("1f2e"), 5)
    assert answer is not None
    assert (answer.message_state, answer.final_date != "") == (4, True)
    assert messages.cancel(Cancel("", "1f2e"), 6) == (ESME_RCANCELFAIL, ())


def test_cancel_too_late() -> None:
    assert kept().cancel(Cancel("", "1f2e"), 10) == (ESME_RCANCELFAIL, ())


def test_cancel_all_between_two_addresses() -> None:
    messages = kept()
    messages.add(2, MESSAGE, 1, "DELIVRD")  # which has arrived
    messages.add(3, ShortMessage(source_addr="Foo", destination_addr="362"), 10, "DELIVRD")
    status, stopped = messages.cancel(Cancel("", "", 5, 0, "Foo", 1, 1, "361"), 5)
    assert (status, [one.number for one in stopped]) == (ESME_ROK, [NUMBER])
    assert messages.cancel(Cancel("", "", 5, 0, "Foo", 1, 1, "363"), 5) == (ESME_RCANCELFAIL, ())


def test_replace() -> None:
    messages = kept()
    message = messages.add(2, MESSAGE, 10, "DELIVRD")
    assert messages.replace(Replace("2", 5, 0, "Foo", short_message=b"other"), 5) == ESME_ROK
    assert message.message.short_message == b"other"
    assert messages.replace(Replace("2", 5, 0, "Foo", short_message=b"late"), 10) == ESME_RREPLACEFAIL
    assert message.message.short_message == b"other"


def test_the_oldest_are_forgotten() -> None:
    messages = kept()
    for number in (1, 2, 3):
        messages.add(number, MESSAGE, 10, "DELIVRD")
    assert [messages.query(Query(f"{number:x}"), 0)[0] for number in (NUMBER, 1, 2, 3)] == [
        ESME_RINVMSGID,
        *[ESME_ROK] * 3,
    ]
