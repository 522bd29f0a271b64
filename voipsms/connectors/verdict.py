"""What a provider's HTTP answer means. Pure; the tables here are those of docs/http.md.

In this order: smsfailstring, smssuccessstring, the HTTP status, then what the answer says about itself, read as facts
(`name`, `value`) out of JSON, XML, a form or plain text. recipients.py does it for each recipient of a batch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from itertools import islice
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from voipsms.connectors.words import NO_WORDS, Pattern, Words, words
from voipsms.gateway_settings import GatewaySettings
from voipsms.masking import mask_url

LONGEST_ANSWER = 64 * 1024  # octets; the rest is not read
LONGEST_PAUSE = 3600.0  # seconds that Retry-After may ask for
MOST_FACTS = 500
LONGEST_COMMENT = 200

Facts = list[tuple[str, str]]


class Outcome(StrEnum):
    TAKEN = "taken"
    REFUSED = "refused"
    TEMPORARY = "temporary"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`provider_id`: the message's id at the provider, empty where none was found; `comment`: its words, one line."""

    outcome: Outcome
    provider_id: str
    comment: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator says of a gateway's answers."""

    success: Words = NO_WORDS
    fail: Words = NO_WORDS
    id: Pattern | None = None


NO_RULES = Rules()


def rules(settings: GatewaySettings) -> Rules:
    """Raises ConfigError with the place of a pattern that can't be used."""
    place = f"[{settings.section}] "
    return Rules(
        words(settings.smssuccessstring, place + "smssuccessstring"),
        words(settings.smsfailstring, place + "smsfailstring"),
        Pattern(settings.smsidregex, place + "smsidregex", group=True) if settings.smsidregex else None,
    )


# -- the tables ---------------------------------------------------------------------------------------------------

TEMPORARY_STATUSES = frozenset({408, 425, 429})  # and every 5xx

TEMPORARY_WORDS = (
    "throttl(?:ed|ing)", "rate.limit(?:ed)?", "rate exceeded", "too many requests", "try (?:it )?(?:again|later)",
    "temporar(?:y|ily)", "busy", "overload(?:ed)?", "queue (?:is )?full", "service unavailable",
    "internal (?:server |system )?error",
)  # fmt: skip
REFUSED_WORDS = (
    "err(?:or|ors)?", "fail(?:ed|s|ure)?", "faults?", "exception", "invalid", "reject(?:ed|d)?", "denied", "forbidden",
    "insufficient", "un(?:authori[sz]ed|authenticated|able|known|successful|deliverable|delivered|supported)", "not",
    "no", "non", "cannot", "can't", "wrong", "bad", "missing", "expired", "blocked", "blacklisted", "disabled",
    "suspended", "too", "nok", "ko", "nack", "false",
)  # fmt: skip
TAKEN_WORDS = (
    "no errors?", "ok", "success(?:ful|fully)?", "sent", "sending", "queued", "enqueued", "accept(?:ed|d)?",
    "submitted", "scheduled", "delivered", "received", "processed", "pending", "buffered", "enroute", "created",
    "done", "true", r"(?:message|msg|sms)?[ _-]?id(?=\s*[:=])",
)  # fmt: skip

# Names are compared without case and separators: `message-id`, `message_id` and `messageId` are one.
ERROR_NAMES = frozenset({
    "error", "errors", "err", "errorcode", "errcode", "errno", "errortext", "errormessage", "errormsg",
    "errordescription", "fault", "faultcode", "faultstring", "exception", "failure", "failed", "failurereason",
    "rejected", "refused", "invalid",
})  # fmt: skip
FLAG_NAMES = frozenset({"success", "successful", "ok", "accepted", "sent", "queued", "valid", "issuccess"})
STATUS_NAMES = frozenset({
    "status", "state", "result", "response", "outcome", "statustext", "messagestatus", "deliverystatus", "groupname",
})  # fmt: skip
ID_NAMES = ("messageid", "apimessageid", "msgid", "smsid", "messageuuid", "mid", "id", "uuid", "sid", "reference")
NOTHING = frozenset({"", "-", "0", "00", "000", "none", "null", "false", "no", "ok", "no error", "success"})
YES, NO = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


def _words(*groups: tuple[str, tuple[str, ...]]) -> re.Pattern[str]:
    named = "|".join(f"(?P<{name}>{'|'.join(words)})" for name, words in groups)
    return re.compile(rf"(?<![A-Za-z])(?:{named})(?![A-Za-z])", re.IGNORECASE)


_TEMPORARY = _words(("temporary", TEMPORARY_WORDS))
_WORD = _words(
    ("temporary", TEMPORARY_WORDS), ("phrase", TAKEN_WORDS[:1]), ("refused", REFUSED_WORDS), ("taken", TAKEN_WORDS)
)
_FORM = re.compile(r"\w+=[^&\s]*(?:&\w+=[^&\s]*)+")
_HTML = re.compile(r"\s*<(?:!doctype html|html)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_NAME = re.compile(r"[^a-z0-9]")
_PLAIN_IDS = (
    re.compile(
        r"(?<![A-Za-z])(?:message|msg|sms)?[ _-]?id\s{0,9}[:=]\s{0,9}\"?([\w.-]{1,64})(?![\w.-])", re.IGNORECASE
    ),
    re.compile(r"\A\s*OK[:|,; ]{1,3}((?=[A-Za-z-]*[0-9])[\w-]{4,64})(?![\w-])"),
    re.compile(r"\A\s*((?=[A-Za-z-]*[0-9])[\w-]{6,64})\s*\Z"),
)
_ID = re.compile(r"[\x21-\x7e]{1,64}")

# -- facts --------------------------------------------------------------------------------------------------------


def _name(name: str) -> str:
    return _NAME.sub("", name.rpartition("}")[2].lower())


def _json_facts(root: object) -> Iterator[tuple[str, str]]:
    """Every scalar with its name, outermost first; what is inside an error keeps the name of the error."""
    level: list[tuple[str, object]] = [("", root)]
    while level:
        deeper: list[tuple[str, object]] = []
        for name, value in level:
            if isinstance(value, dict):
                deeper += [(name if name in ERROR_NAMES else _name(key), inner) for key, inner in value.items()]
            elif isinstance(value, list):
                deeper += [(name, inner) for inner in value]
            else:
                yield name, "" if value is None else str(value)
        level = deeper


def _xml_facts(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    level = [("", root)]
    while level:
        deeper: list[tuple[str, ElementTree.Element]] = []
        for outer, element in level:
            name = outer if outer in ERROR_NAMES else _name(element.tag)
            yield from ((_name(key), value) for key, value in element.items())
            if text := (element.text or "").strip():
                yield name, text
            deeper += [(name, child) for child in element]
        level = deeper


def _read_json(text: str) -> Iterator[tuple[str, str]]:
    return _json_facts(json.loads(text))


def _read_xml(text: str) -> Iterator[tuple[str, str]]:
    if "<!" in text.replace("<![CDATA[", "").replace("<!--", ""):
        raise ValueError("a document type is nothing that an answer needs")
    return _xml_facts(ElementTree.fromstring(text))


_READERS: dict[str, Callable[[str], Iterator[tuple[str, str]]]] = {"{": _read_json, "[": _read_json, "<": _read_xml}


def facts(text: str) -> Facts:
    """What the answer says, as (name, value); one nameless fact where it has no shape."""
    text = text.lstrip("\ufeff").strip()
    try:
        if reader := _READERS.get(text[:1]):
            return list(islice(reader(text), MOST_FACTS))
    except (ValueError, RecursionError, ElementTree.ParseError):
        return [("", _TAG.sub(" ", text))]
    if _FORM.fullmatch(text):
        return [(_name(name), value) for name, value in parse_qsl(text, keep_blank_values=True)]
    return [("", text)]


def provider_id(found: Facts) -> str:
    """The message's id at the provider, in the first of the common shapes that is there."""
    named = {name: value for name, value in reversed(found) if name in ID_NAMES and _ID.fullmatch(value)}
    for name in ID_NAMES:
        if name in named:
            return named[name]
    plain = next((value for name, value in found if not name), "")
    return next((match[1] for pattern in _PLAIN_IDS if (match := pattern.search(plain[:2000]))), "")


# -- judging ------------------------------------------------------------------------------------------------------


def _by_words(value: str) -> Outcome | None:
    """The first word that means something decides: answers begin with their verdict, an echoed text comes later."""
    found = _WORD.search(value)
    if not found:
        return None
    if found.lastgroup in ("phrase", "taken"):
        return Outcome.TAKEN
    return Outcome.TEMPORARY if _TEMPORARY.search(value) else Outcome.REFUSED


def _by_name(name: str, value: str) -> Outcome | None:
    """What a fact whose name has a meaning says; None: nothing."""
    plain = value.strip().lower()
    if name in ERROR_NAMES and plain not in NOTHING:
        return Outcome.TEMPORARY if _TEMPORARY.search(value) else Outcome.REFUSED
    if name in FLAG_NAMES and plain in YES | NO:
        return Outcome.TAKEN if plain in YES else Outcome.REFUSED
    if name in STATUS_NAMES or name in FLAG_NAMES:
        return _by_words(value)
    return None


def _worst(said: Iterable[Outcome | None]) -> Outcome | None:
    found = set(said)
    return next((outcome for outcome in (Outcome.TEMPORARY, Outcome.REFUSED, Outcome.TAKEN) if outcome in found), None)


def explicit(found: Facts) -> Outcome | None:
    """What named facts say; None: nothing."""
    return _worst(_by_name(name, value) for name, value in found)


def guess(text: str, found: Facts) -> Outcome:
    """The meaning of a 2xx answer: named facts, else an id, else any words, else that it is no page for people."""
    if outcome := explicit(found):
        return outcome
    if any(name in ID_NAMES for name, _ in found):
        return Outcome.TAKEN
    telling = (value for name, value in found if not name or value.strip().lower() not in YES | NO)
    return _worst(map(_by_words, telling)) or (Outcome.REFUSED if _HTML.match(text) else Outcome.TAKEN)


def by_status(status: int) -> Outcome | None:
    """None: 2xx, which says nothing yet."""
    if status in TEMPORARY_STATUSES or status >= 500:
        return Outcome.TEMPORARY
    return None if 200 <= status < 300 else Outcome.REFUSED


def by_rules(text: str, said: Rules) -> Outcome | None:
    """What the operator's strings say; None: nothing. Raises TooSlow."""
    if said.fail and said.fail.are_in(text):
        return Outcome.REFUSED
    return Outcome.TAKEN if said.success and said.success.are_in(text) else None


def find_id(text: str, found: Facts, said: Rules) -> str:
    """By smsidregex where it is set, else by the common shapes. Raises TooSlow."""
    if said.id is None:
        return provider_id(found)
    match = said.id.search(text)
    value = (match[1] or "").strip() if match else ""
    return value if _ID.fullmatch(value) else ""


def judge(status: int, text: str, said: Rules = NO_RULES, location: str = "") -> Verdict:
    """Where smssuccessstring is set and absent, the message was not taken. `location`: where a redirect points.

    Raises TooSlow.
    """
    found = facts(text)
    outcome = by_rules(text, said) or by_status(status)
    if outcome is None:
        outcome = Outcome.REFUSED if said.success else guess(text, found)
    told = redirect(status, location) if 300 <= status < 400 else comment(status, text)
    return Verdict(outcome, find_id(text, found, said) if outcome is Outcome.TAKEN else "", told)


def comment(status: int, text: str) -> str:
    """`HTTP 400: ERR: 114, …`, on one line, for the CDR."""
    line = text[: 4 * LONGEST_COMMENT]
    if not line.isprintable():
        line = "".join(c if c.isprintable() else " " for c in line)
    line = " ".join(line.split())
    return f"HTTP {status}: {line}"[:LONGEST_COMMENT] if line else f"HTTP {status}"


def redirect(status: int, location: str) -> str:
    """`location` without its query, which may repeat our own with its password."""
    try:
        where = mask_url(location.partition("?")[0])
    except ValueError:  # it is no URL
        where = ""
    to = f" to {where}" if where else ""
    return comment(status, f"a redirect{to}, which is not followed: smsurl must be the final address")


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110 §10.2.3), bounded; None: nothing usable.

    `now`: Unix time, for the header's other form, a date.
    """
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdecimal() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE)
