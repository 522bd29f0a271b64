"""By which ways something goes to a user."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from voipsms.addressing import OURSELVES, addressed, noticed
from voipsms.directory import Account
from voipsms.model import (
    Belongs,
    Channel,
    Delivery,
    DeliveryId,
    GatewayId,
    Incoming,
    MessageId,
    Micros,
    Millis,
    Msisdn,
    Reach,
    Subject,
    UserId,
    UserType,
)
from voipsms.settings import GlobalSettings
from voipsms.values import replace as changed

NOW = Millis(1_000_000)
USER = UserId(7)
SETTINGS = GlobalSettings(smsreceive_hold=2, smsexpire=10)
INCOMING = Incoming(MessageId(5), NOW, GatewayId(3), Msisdn("36301112233"), Msisdn("36201234567"), "Szia!")
MINE = Belongs(USER, "36201234567")
EMAIL, HOOK, LOG = "alice@example.com", "https://example.com/sms", "/var/spool/sms"
CHAT, MAIL, WEBHOOK, FILE = Channel.CHAT, Channel.MAIL, Channel.WEBHOOK, Channel.LOG


def account(**reach: object) -> Account:
    found = Account(USER, "alice", UserType.ENDUSER, True, Micros(0), Micros(0), "EUR")
    found.reach = Reach(**reach)  # type: ignore[arg-type]
    return found


def ways(deliveries: tuple[Delivery, ...]) -> list[tuple[Channel, Channel | None]]:
    return [(delivery.channel, delivery.otherwise) for delivery in deliveries]


def text(
    route: int = 0, /, belongs: Belongs = MINE, incoming: Incoming = INCOMING, **reach: object
) -> tuple[Delivery, ...]:
    settings = replace(SETTINGS, smsreceive_route=route)
    return addressed(incoming, belongs, account(**reach), settings, count(100).__next__, NOW, gateway="smsc")


def notice(route: int = 0, notify: str = "fail", *, chat: bool = True, **reach: object) -> tuple[Delivery, ...]:
    settings = replace(SETTINGS, smsreceive_route=route, smsnotify=notify)
    return noticed(account(**reach), "Your balance is low", settings, count(100).__next__, NOW, chat=chat)


@pytest.mark.parametrize(
    ("route", "with_mail", "without"),
    [
        (0, [], []),
        (1, [(CHAT, None)], [(CHAT, None)]),
        (2, [(MAIL, None)], []),
        (3, [(CHAT, MAIL)], [(CHAT, None)]),
        (4, [(CHAT, None), (MAIL, None)], [(CHAT, None)]),
    ],
    ids=["nowhere", "chat", "mail", "chat or mail", "chat and mail"],
)
def test_routes(
    route: int, with_mail: list[tuple[Channel, Channel | None]], without: list[tuple[Channel, Channel | None]]
) -> None:
    assert ways(text(route, mail=EMAIL)) == with_mail
    assert ways(text(route)) == without
    other = 4 - route if route != 2 else 1
    assert ways(text(other, mail=EMAIL, route=route)) == with_mail  # the account's own comes first


def test_programs_hear_whatever_the_route() -> None:
    assert ways(text(0, hook=HOOK)) == [(WEBHOOK, None)]
    assert ways(text(0, log=LOG)) == [(FILE, None)]
    assert ways(text(3, hook=HOOK, log=LOG, mail=EMAIL)) == [(CHAT, MAIL), (WEBHOOK, None), (FILE, None)]


def test_a_text_for_an_address_goes_there_instead() -> None:
    found = text(4, changed(MINE, recipient="demo@example.org"), mail=EMAIL, hook=HOOK)
    assert ways(found) == [(MAIL, None), (WEBHOOK, None)]
    assert [delivery.address for delivery in found] == ["demo@example.org", ""]


def test_what_a_text_says() -> None:
    (chat, hook) = text(1, hook=HOOK)
    fields = (("gateway", "smsc"),)
    assert chat == Delivery(
        DeliveryId(100), MessageId(5), USER, CHAT, Subject.TEXT, "36301112233", "36201234567", "Szia!", NOW,
        Millis(NOW + 120_000), fields=fields,
    )  # fmt: skip
    assert hook == changed(chat, id=DeliveryId(101), channel=WEBHOOK, expires=Millis(NOW + 600_000))


def test_fields_are_those_that_say_something() -> None:
    incoming = changed(
        INCOMING, text="", octets=b"\x00\xff", udh=b"\x02\x01\x00", parts=3, complete=False, sent=Millis(9),
        provider_id="m-1",
    )  # fmt: skip
    (hook,) = text(0, incoming=incoming, hook=HOOK)
    assert hook.fields == (
        ("gateway", "smsc"), ("parts", "3"), ("complete", "no"), ("udh", "020100"), ("octets", "00ff"), ("sent", "9"),
        ("provider_id", "m-1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("route", "reach", "expected"),
    [
        (0, {}, [(CHAT, None)]),
        (0, {"mail": EMAIL}, [(MAIL, None)]),
        (0, {"notify": "none"}, []),
        (0, {"notify": "none", "mail": EMAIL}, [(MAIL, None)]),
        (1, {"notify": "none"}, [(CHAT, None)]),
        (2, {}, [(CHAT, None)]),
        (3, {"mail": EMAIL}, [(CHAT, MAIL)]),
        (4, {"mail": EMAIL}, [(CHAT, None), (MAIL, None)]),
        (2, {"mail": EMAIL, "hook": HOOK}, [(MAIL, None), (WEBHOOK, None)]),
        (2, {"mail": EMAIL, "hook": HOOK, "hook_format": "xml"}, [(MAIL, None)]),
        (2, {"mail": EMAIL, "log": LOG}, [(MAIL, None)]),
    ],
    ids=[
        "no route", "no route, a mailbox", "no route, not to be told", "nor by chat", "the route comes first",
        "mail without a mailbox", "chat or mail", "both", "webhook", "no form for it", "mo.log has texts alone",
    ],
)  # fmt: skip
def test_notices(route: int, reach: dict[str, str], expected: list[tuple[Channel, Channel | None]]) -> None:
    assert ways(notice(route, **dict[str, Any](reach))) == expected


def test_the_house_may_want_no_notices_by_chat() -> None:
    assert notice(0, notify="none") == ()
    assert ways(
        noticed(account(notify="all"), "", replace(SETTINGS, smsnotify="none"), count().__next__, NOW, chat=True)
    ) == [(CHAT, None)]


@pytest.mark.parametrize(
    ("route", "reach", "expected"),
    [
        (0, {}, []),
        (1, {}, []),
        (1, {"mail": EMAIL}, [(MAIL, None)]),
        (3, {"mail": EMAIL}, [(MAIL, None)]),
        (4, {"mail": EMAIL}, [(MAIL, None)]),
        (1, {"hook": HOOK}, [(WEBHOOK, None)]),
    ],
    ids=["no way", "chat alone", "chat, a mailbox", "chat or mail", "both", "a program"],
)
def test_nothing_is_tried_by_chat_that_goes_nowhere(
    route: int, reach: dict[str, str], expected: list[tuple[Channel, Channel | None]]
) -> None:
    assert ways(notice(route, chat=False, **dict[str, Any](reach))) == expected


def test_what_a_notice_says() -> None:
    (found,) = noticed(
        account(mail=EMAIL), "Not delivered yet", SETTINGS, count(100).__next__, NOW, chat=True,
        message_id=MessageId(9), target="36301112233", fields=(("state", "ENROUTE"),),
    )  # fmt: skip
    assert found == Delivery(
        DeliveryId(100), MessageId(9), USER, MAIL, Subject.NOTICE, OURSELVES, "36301112233", "Not delivered yet", NOW,
        Millis(NOW + 600_000), fields=(("state", "ENROUTE"),),
    )  # fmt: skip
