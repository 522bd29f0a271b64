"""What a delivery receipt's text says: SMPP 3.4 appendix B, and what SMSCs make of it.

The form is `id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…`; in life any field may be missing, moved,
renamed, padded or in another case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from voipsms.model import State

# message_state, SMPP 3.4 §5.2.28; 0 and 9 came with SMPP 5.0 §4.7.15.
MESSAGE_STATES: dict[int, State] = {
    0: State.ENROUTE,  # SCHEDULED
    1: State.ENROUTE,
    2: State.DELIVERED,
    3: State.EXPIRED,
    4: State.DELETED,
    5: State.UNDELIVERABLE,
    6: State.ACCEPTED,
    7: State.UNKNOWN,
    8: State.REJECTED,
    9: State.UNDELIVERABLE,  # SKIPPED
}

# Letters only, upper case. The first of each line are appendix B's own words.
STATE_WORDS: dict[str, State] = {
    word: state
    for state, words in {
        State.DELIVERED: "DELIVRD DELIVERED DELIVERD DELIVRED DLVRD DELIVERYSUCCESS DELIVEREDTOHANDSET SUCCESS",
        State.EXPIRED: "EXPIRED EXPIRD EXPRD DELIVERYEXPIRED",
        State.DELETED: "DELETED DELETD CANCELED CANCELLED",
        State.UNDELIVERABLE: "UNDELIV UNDELIVERABLE UNDELIVERED UNDELIVRD UNDELVD UNDLVRD UNDELIVERD NOTDELIVERED"
        " FAILED FAIL FAILURE DELIVERYFAILED DELIVERYFAILURE ERROR SKIPPED UNKNOWNSUBSCRIBER",
        State.ACCEPTED: "ACCEPTD ACCEPTED ACCEPT",
        State.UNKNOWN: "UNKNOWN UNKNOWND UNKNOWNED UNKNWN DELIVERYUNKNOWN",
        State.REJECTED: "REJECTD REJECTED REJECT BLOCKED BARRED",
        State.ENROUTE: "ENROUTE BUFFERED BUFFERD BUFFRED BUFERED QUEUED PENDING SCHEDULED SENT SUBMITTED SUBMITD"
        " RETRY RETRYING DELIVERYPENDING",
    }.items()
    for word in words.split()
}


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """`state` is None for a missing or unknown word, `submitted` and `done` for unreadable dates, which carry no zone
    and are taken as UTC. `id` is as the SMSC wrote it."""

    id: str
    state: State | None
    error: str = ""
    submitted: datetime | None = None
    done: datetime | None = None
    sub: int | None = None
    dlvrd: int | None = None
    text: str = ""
    word: str = field(default="", compare=False)  # the state as the SMSC wrote it


_STANDARD = re.compile(
    r"id:(\S+) sub:(\d{1,9}) dlvrd:(\d{1,9}) submit date:(\d{10,14}) done date:(\d{10,14})"
    r" stat:([A-Z]+) err:(\S+)(?: text:(.*))?",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
_LABEL = re.compile(
    r"(?<![^\s;,|])(id|sub|dlvrd|dlvrld|(?:submit|done)[ _-]?date|stat(?:us|e)?|err(?:or)?(?:[ _-]?code)?|te?xt)"
    r"[ \t]*[:=]",
    re.IGNORECASE,
)
_FIELDS = {"dlvrld": "dlvrd", "status": "stat", "state": "stat", "error": "err", "txt": "text"}
_NOT_LETTERS = re.compile("[^A-Z]+")
_DECIMAL, _HEXADECIMAL = re.compile("[0-9]{1,20}"), re.compile("[0-9a-f]{1,16}")  # what 64 bits hold
_MAX_LENGTH = 4096  # a receipt has some 150 characters; what lies behind is text
_PADDING = " \t\r\n\0"


def _field(label: str) -> str:
    name = re.sub("[ _-]?(date|code)$", "", label.lower())
    return _FIELDS.get(name, name)


def read_state(word: str) -> State | None:
    """The state that a word, several words or a message_state number stands for; None: not known."""
    word = word.strip(_PADDING).upper()
    if state := STATE_WORDS.get(word):
        return state
    if word.isascii() and word.isdigit():
        return MESSAGE_STATES.get(int(word[:9]))
    first, *_ = word.split(maxsplit=1) or [""]
    return STATE_WORDS.get(_NOT_LETTERS.sub("", word)) or STATE_WORDS.get(_NOT_LETTERS.sub("", first))


@lru_cache(maxsize=1000)  # they go by the minute: receipts of the same time have the same text
def read_date(text: str) -> datetime | None:
    """YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm or YYYYMMDDhhmmss, with or without separators; None: anything else.

    Twelve digits are read with seconds where that makes a date.
    """
    if not (text.isascii() and text.isdecimal()):
        text = re.sub("[^0-9]", "", text[:32])
    for century in ("20", "") if len(text) == 12 else ("20",) if len(text) == 10 else ("",):
        date = century + text
        if len(date) in (12, 14):
            try:
                return datetime(
                    int(date[:4]), int(date[4:6]), int(date[6:8]), int(date[8:10]), int(date[10:12]),
                    int(date[12:] or 0), tzinfo=UTC,
                )  # fmt: skip
            except ValueError:
                continue
    return None


def _count(text: str) -> int | None:
    digits = _first_word(text)[:9]
    return int(digits) if digits.isascii() and digits.isdigit() else None


def _first_word(text: str) -> str:
    words = text.split(maxsplit=1)
    return words[0].strip(";,|\0") if words else ""


def _values(text: str, labels: Iterable[re.Match[str]]) -> dict[str, str]:
    """What stands after each label. The text ends a receipt, whatever words it holds, unless the state comes after."""
    values: dict[str, str] = {}
    name, start = "", 0
    for label in labels:
        if name:
            values.setdefault(name, text[start : label.start()])
        name, start = _field(label[1]), label.end()
        if name == "text" and "stat" in values:
            break
    if name:
        values.setdefault(name, text[start:])
    return values


def _lenient(text: str) -> ReceiptText | None:
    values = _values(text, _LABEL.finditer(text, 0, _MAX_LENGTH))
    if "id" not in values and "stat" not in values:
        return None
    return ReceiptText(
        id=_first_word(values.get("id", "")),
        state=read_state(values.get("stat", "")),
        error=_first_word(values.get("err", "")),
        submitted=read_date(values.get("submit", "")),
        done=read_date(values.get("done", "")),
        sub=_count(values.get("sub", "")),
        dlvrd=_count(values.get("dlvrd", "")),
        text=values.get("text", "").strip(_PADDING),
        word=values.get("stat", "").strip(_PADDING),
    )


def parse_receipt(text: str) -> ReceiptText | None:
    """The fields of a text that is known to be a receipt (esm_class says so); None: it has neither id nor state."""
    standard = _STANDARD.fullmatch(text)
    if standard is None:
        return _lenient(text)
    provider_id, sub, dlvrd, submitted, done, word, error, rest = standard.groups()
    state = STATE_WORDS.get(word) or read_state(word)
    return ReceiptText(
        provider_id,
        state,
        error,
        read_date(submitted),
        read_date(done),
        int(sub),
        int(dlvrd),
        (rest or "").strip(_PADDING),
        word,
    )


def looks_like_receipt(text: str) -> bool:
    """Whether a text whose esm_class says nothing is a receipt: it begins with a field, has an id and a known state,
    and two of the other fields. A person's text that only mentions such words is none."""
    text = text.strip(_PADDING)
    if not _LABEL.match(text):
        return False
    values = _values(text, _LABEL.finditer(text, 0, _MAX_LENGTH))
    return (
        _first_word(values.get("id", "")) != ""
        and read_state(values.get("stat", "")) is not None
        and len(values.keys() & {"sub", "dlvrd", "submit", "done", "err"}) >= 2
    )


def canonical_id(provider_id: str) -> str:
    """The spelling under which ids are kept and compared: lower case, without 0x, leading zeros and padding."""
    spelling = provider_id.strip(_PADDING).lower().removeprefix("0x")
    return spelling.lstrip("0") or spelling[:1]


def other_base(provider_id: str, answers: str) -> str:
    """An id of a receipt as the answer to its submit spells it, where the two differ in base: `answers` is `hex` or
    `dec`, what the answer has. An id that is no such number, or too long for 64 bits, stays as it is."""
    own = canonical_id(provider_id)
    if answers == "hex" and _DECIMAL.fullmatch(own):
        return f"{int(own):x}"
    if answers == "dec" and _HEXADECIMAL.fullmatch(own):
        return str(int(own, 16))
    return provider_id


def id_forms(provider_id: str) -> tuple[str, ...]:
    """Canonical spellings to look for, best first: its own, then decimal as hexadecimal and hexadecimal as decimal,
    since many an SMSC answers the submit in one and writes the receipt in the other."""
    own = canonical_id(provider_id)
    forms = [own]
    if _DECIMAL.fullmatch(own):
        forms.append(f"{int(own):x}")
    if _HEXADECIMAL.fullmatch(own):
        forms.append(str(int(own, 16)))
    return tuple(dict.fromkeys(forms))
