"""Texts that the gateway itself sends to phones: confirmations, answers to START and HELP, questions back.

None may start a loop: what answers automatically is not answered, and a phone gets few of them.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, Protocol

from voipsms.directory import Directory
from voipsms.errors import Refused, StoreError
from voipsms.log import get_logger
from voipsms.model import Incoming, Millis, Submission, UserId
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import Kind, read_number
from voipsms.stop_words import Act, read
from voipsms.store.ids import now_millis

DOOR: Final = "auto"
HOUR, QUIET = 3_600_000, 600_000  # milliseconds
MOST = 3  # automatic texts an hour to a phone, the same one once in QUIET
MOST_ASKED = 30  # with answers to what it has asked for
PHONES = 10_000  # of which is known what they were told
TELLING = 12  # characters of a text that tell it from others
_PHONES = frozenset({Kind.MOBILE, Kind.PHONE})

# How texts begin that programs write: as by RFC 3834 §2, they aren't answered.
_MACHINES = re.compile(
    r"\W*(?:" + "|".join((
        r"undeliver(?:able|ed)", r"(?:mail\s+)?delivery\s+(?:status|fail|has\s+failed|incomplete|delayed)",
        r"message\s+(?:not\s+delivered|undeliverable|blocked|could\s+not)", r"returned\s+mail", r"failure\s+notice",
        r"auto(?:matic|mated)?[-\s]?(?:reply|response|answer)", r"this\s+is\s+an\s+auto", r"do\s+not\s+reply",
        r"out\s+of\s+(?:the\s+)?office", "abwesenheit", r"automatische\s+antwort", r"réponse\s+automatique",
        r"respuesta\s+automática", r"risposta\s+automatica",
    )) + ")",
    re.IGNORECASE,
)  # fmt: skip

log = get_logger("automatic")


class Submits(Protocol):
    async def submit(self, submission: Submission, /) -> object: ...


class Automatic:
    def __init__(
        self,
        intake: Submits,
        directory: Directory,
        settings: Callable[[], GlobalSettings],
        clock: Callable[[], Millis] = now_millis,
    ) -> None:
        self._intake = intake
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._told: OrderedDict[str, tuple[tuple[Millis, str], ...]] = OrderedDict()

    async def send(
        self, payer: UserId, sender: str, target: str, text: str, key: bytes = b"", *, asked: bool = False
    ) -> bool:
        """Whether it is on its way, or was before. Billed to this account; goes to phones that have opted out, too.

        `key` names the occasion, of which there is one text whatever process asks how often; without it, each ten
        minutes are one. What is refused stays so; what can't be sent now may be asked for again. `asked`: it answers
        a command, as often as those come, and users' own phones have it, too.
        """
        account, phone, now = self._directory.by_id.get(payer), self._phone(target, asked), self._clock()
        if account is None or not phone or not text or not self._allows(phone, text, now, asked):
            return False
        occasion = key or b"%d" % (now // QUIET)
        submission = Submission(
            DOOR, (account.name,), sender, phone, text, _key(occasion, payer, sender, phone, text),
            free_sender=True, exempt=True,
        )  # fmt: skip
        try:
            await self._intake.submit(submission)
        except (Refused, StoreError) as error:
            log.warning("an automatic text is not sent", user=account.name, target=phone, why=str(error))
            return False
        return True

    def answerable(self, incoming: Incoming) -> bool:
        """Whether a text from a phone may be answered automatically: no program has written it, as far as it shows.
        STOP gets its confirmation, and nothing else."""
        text, phone = incoming.text, self._phone(incoming.source)
        if not phone or _MACHINES.match(text) or self._bounced(phone, text):
            return False
        word = read(text)
        return word is None or word.act is not Act.STOP

    def _phone(self, raw: str, asked: bool = False) -> str:
        """Its number; '' where it is no phone, or one of our numbers."""
        number, book = read_number(raw, self._settings().country), self._directory.book
        plain = number.digits in self._directory.by_number or number.digits in book
        known = book.is_service(number.digits) if asked else plain
        return number.digits if number.kind in _PHONES and not known else ""

    def _bounced(self, phone: str, text: str) -> bool:
        """Whether it says what we have said: to this phone, or to any, before a start as well."""
        settings, said = self._settings(), _plain(text)
        told = [_plain(one) for _, one in self._told.get(phone, ())]
        ours = (settings.smsstop_text, settings.smsstart_text, settings.smshelp_text, settings.smsreceive_conflict)
        known = told + [max(map(_plain, re.split(r"\{\w+\}", one)), key=len) for one in ours]
        return any(len(one) >= TELLING and one in said for one in known)

    def _allows(self, phone: str, text: str, now: Millis, asked: bool = False) -> bool:
        """Counts it, if so."""
        told = tuple(one for one in self._told.pop(phone, ()) if one[0] > now - HOUR)
        fresh = asked or all(before != text or at <= now - QUIET for at, before in told)
        allowed = len(told) < (MOST_ASKED if asked else MOST) and fresh
        self._told[phone] = (*told, (now, text)) if allowed else told
        if len(self._told) > PHONES:
            self._told.popitem(last=False)
        if not allowed:
            log.warning("a phone has had enough automatic texts", target=phone)
        return allowed


def _key(occasion: bytes, *parts: object) -> bytes:
    """16 octets, as tb_ingress has them."""
    words = (len(occasion).to_bytes(4), occasion, *(f"\0{part}".encode(errors="replace") for part in parts))
    return blake2b(b"".join(words), digest_size=16, person=b"automatic text").digest()


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
