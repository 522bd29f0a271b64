"""By which ways something goes to a user: pure, from the account's own reach and `[global] smsreceive_route`.

Fields of a delivery that says what a phone has written, each only where it says something: `gateway` (name), `parts`,
`complete` (`no`), `udh` and `octets` (hexadecimal), `sent` (UTC milliseconds, by the provider), `provider_id`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from voipsms.directory import Account
from voipsms.model import Belongs, Channel, Delivery, DeliveryId, Incoming, MessageId, Millis, Reach, Subject
from voipsms.settings import GlobalSettings

OURSELVES: Final = "voipsms"  # who notices are from
JSON: Final = "json"
_MINUTE: Final = 60_000

Way = tuple[Channel, Channel | None, str]  # what it goes by, what it goes by when that fails, a mail address

_CHAT: Final = (Channel.CHAT, None, "")
_MAIL: Final = (Channel.MAIL, None, "")
_EITHER: Final = (Channel.CHAT, Channel.MAIL, "")
_ROUTES: Final[dict[int, tuple[Way, ...]]] = {
    0: (), 1: (_CHAT,), 2: (_MAIL,), 3: (_EITHER,), 4: (_CHAT, _MAIL),
}  # fmt: skip
_WITHOUT_MAIL: Final[dict[int, tuple[Way, ...]]] = {0: (), 1: (_CHAT,), 2: (), 3: (_CHAT,), 4: (_CHAT,)}


def addressed(
    incoming: Incoming,
    belongs: Belongs,
    account: Account,
    settings: GlobalSettings,
    new_id: Callable[[], int],
    now: Millis,
    *,
    gateway: str = "",
) -> tuple[Delivery, ...]:
    """A text for its user: to people as the route says, to the user's programs in any case."""
    reach = account.reach
    people = ((Channel.MAIL, None, belongs.recipient),) if belongs.recipient else _to_people(reach, settings)
    fields = _fields(incoming, gateway)
    return tuple(
        Delivery(
            id=DeliveryId(new_id()), message_id=incoming.id, user_id=account.id, channel=channel, subject=Subject.TEXT,
            source=incoming.source, target=incoming.target, text=incoming.text, created=now,
            expires=_expires(channel, settings, now), otherwise=otherwise, address=address, fields=fields,
        )
        for channel, otherwise, address in (*people, *_to_programs(reach))
    )  # fmt: skip


def noticed(
    account: Account,
    text: str,
    settings: GlobalSettings,
    new_id: Callable[[], int],
    now: Millis,
    *,
    chat: bool,
    message_id: MessageId = MessageId(0),
    target: str = "",
    fields: tuple[tuple[str, str], ...] = (),
) -> tuple[Delivery, ...]:
    """What the gateway itself has to say to a user. `chat`: whether that goes anywhere; `message_id`, `target`: of the
    message that it is about.

    Where no text from a phone goes to, a notice still does: by mail, else by chat unless notify is none. Of the
    webhook's formats only JSON has a word for it.
    """
    reach = account.reach
    people = _to_people(reach, settings)
    ways = [*((people if chat else _without_chat(people)) or _somehow(reach, settings, chat))]
    if reach.hook and reach.hook_format == JSON:
        ways.append((Channel.WEBHOOK, None, ""))
    return tuple(
        Delivery(
            id=DeliveryId(new_id()), message_id=message_id, user_id=account.id, channel=channel,
            subject=Subject.NOTICE, source=OURSELVES, target=target, text=text, created=now,
            expires=_expires(channel, settings, now), otherwise=otherwise, fields=fields,
        )
        for channel, otherwise, _ in ways
    )  # fmt: skip


def _to_people(reach: Reach, settings: GlobalSettings) -> tuple[Way, ...]:
    route = settings.smsreceive_route if reach.route < 0 else reach.route
    return (_ROUTES if reach.mail else _WITHOUT_MAIL)[route]


def _without_chat(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    return (_MAIL,) if any(Channel.MAIL in way for way in ways) else ()


def _somehow(reach: Reach, settings: GlobalSettings, chat: bool) -> tuple[Way, ...]:
    if reach.mail:
        return (_MAIL,)
    return (_CHAT,) if chat and (reach.notify or settings.smsnotify) != "none" else ()


def _to_programs(reach: Reach) -> Iterator[Way]:
    if reach.hook:
        yield Channel.WEBHOOK, None, ""
    if reach.log:
        yield Channel.LOG, None, ""


def _expires(channel: Channel, settings: GlobalSettings, now: Millis) -> Millis:
    minutes = settings.smsreceive_hold if channel is Channel.CHAT else settings.smsexpire
    return Millis(now + minutes * _MINUTE)


def _fields(incoming: Incoming, gateway: str) -> tuple[tuple[str, str], ...]:
    told = (
        ("gateway", gateway),
        ("parts", str(incoming.parts) if incoming.parts > 1 else ""),
        ("complete", "" if incoming.complete else "no"),
        ("udh", incoming.udh.hex()),
        ("octets", incoming.octets.hex()),
        ("sent", str(incoming.sent) if incoming.sent else ""),
        ("provider_id", incoming.provider_id),
    )
    return tuple((name, value) for name, value in told if value)
