"""Texts of several parts: rows of tb_joining, in which parts wait for each other whichever process or gateway they
come by.

What they have in common is source, target, reference and total. References come again (8-bit ones after 256 texts,
those of some devices at once), so a row is for one text only: another content in a place that is taken begins a new
text, and the old one goes on as it is. Parts of a text that has gone on are remembered for as long as parts are waited
for: what comes once more is a repeat, and what comes late goes on alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from voipsms.model import GatewayId, Inbound, Millis
from voipsms.sms.joining import join
from voipsms.store.database import Database, Row
from voipsms.values import Value, replace

PAGE: Final = 100  # of texts whose time is up


class Piece(Value, frozen=True):
    """A part; `inbound` None: it has gone on."""

    digest: str
    inbound: Inbound | None


def join_key(inbound: Inbound) -> str:
    return _digest(inbound.source, inbound.target, str(inbound.reference), str(inbound.total), size=16)


def digest_of(inbound: Inbound) -> str:
    return _digest(inbound.text, inbound.octets.hex(), inbound.udh.hex(), size=8)


def _digest(*words: str, size: int) -> str:
    return blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


@dataclass(slots=True, eq=False)
class Text:
    """A row of tb_joining. `stored`: the table has one of this key."""

    key: str
    total: int
    door: str
    source: str
    target: str
    due: Millis
    closed: bool = False
    stored: bool = False
    parts: dict[int, Piece] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Sequence[Any]) -> Text:
        key, closed, due, door, source, target, total, parts = row
        text = cls(key, total, door, source, target, due, bool(closed), True)
        text.parts = {number: text._piece(number, *rest) for number, *rest in json.loads(parts)}
        return text

    def _piece(self, number: int, digest: str, *kept: Any) -> Piece:
        if not kept:
            return Piece(digest, None)
        gateway_id, text, octets, udh, sent, provider_id = kept
        return Piece(
            digest,
            Inbound(
                GatewayId(gateway_id), self.source, self.target, text, bytes.fromhex(octets), bytes.fromhex(udh),
                total=self.total, number=number, provider_id=provider_id, sent=Millis(sent),
            ),
        )  # fmt: skip

    def row(self) -> Row:
        """JSON in ASCII, which keeps the halves of surrogate pairs."""
        parts = [(number, *_kept(piece)) for number, piece in self.parts.items()]
        written = json.dumps(parts, separators=(",", ":"))
        return (self.key, int(self.closed), self.due, self.door, self.source, self.target, self.total, written)

    def add(self, inbound: Inbound, digest: str) -> None:
        self.parts[inbound.number] = Piece(digest, None if self.closed else inbound)

    @property
    def complete(self) -> bool:
        return len(self.parts) == self.total

    def close(self, until: Millis) -> Inbound:
        """All parts that have come, as one. They are known as repeats until then."""
        here = {n: piece.inbound for n, piece in sorted(self.parts.items()) if piece.inbound is not None}
        inbound = next(iter(here.values()))
        whole = replace(
            inbound,
            text=join(here[n].text if n in here else None for n in range(1, self.total + 1)),
            octets=b"".join(part.octets for part in here.values()),
            number=1,
            total=len(here),
        )
        self.parts = {n: Piece(piece.digest, None) for n, piece in self.parts.items()}
        self.closed, self.due = True, until
        return whole


def _kept(piece: Piece) -> Iterator[object]:
    yield piece.digest
    if part := piece.inbound:
        yield from (part.gateway_id, part.text, part.octets.hex(), part.udh.hex(), part.sent, part.provider_id)


class Whole(Value, frozen=True):
    """A text that goes on; `inbound.total` is the number of its parts."""

    inbound: Inbound
    door: str
    complete: bool = True


class Joining:
    """The parts of one commit. `look` before `take`."""

    def __init__(self, db: Database, now: Millis) -> None:
        self._db = db
        self._now = now
        self._texts: dict[str, Text] = {}
        self._changed: dict[str, Text] = {}

    def look(self, parts: Iterable[Inbound]) -> None:
        keys = sorted({join_key(part) for part in parts})
        rows = self._db.read_batch("find_joining", [(key,) for key in keys]) if keys else ()
        self._texts = {text.key: text for text in map(Text.of, rows)}

    def take(self, part: Inbound, door: str, wait: Millis, *, again: bool = False) -> list[Whole] | None:
        """The texts that go on now; None: it is a repeat. `again`: what looks like one is none."""
        key, digest = join_key(part), digest_of(part)
        text = self._texts.get(key)
        went: list[Whole] = []
        if text is not None and (piece := text.parts.get(part.number)) is not None:
            known = piece.digest == digest and not again
            if known and not (text.closed and text.due < self._now):
                return None
            if not text.closed:
                went.append(self._close(text, wait))
        if text is None or part.number in text.parts:
            text = Text(key, part.total, door, part.source, part.target, Millis(self._now + wait), stored=bool(text))
            self._texts[key] = text
        self._changed[key] = text
        text.add(part, digest)
        if text.closed:
            went.append(Whole(replace(part, total=1, number=1, text=join((part.text,))), door, complete=False))
        elif text.complete:
            went.append(self._close(text, wait))
        return went

    def _close(self, text: Text, wait: Millis) -> Whole:
        complete = text.complete
        return Whole(text.close(Millis(self._now + wait)), text.door, complete)

    def rows(self) -> Iterator[tuple[str, Row]]:
        """What has changed, each with its statement."""
        for text in self._changed.values():
            yield "update_joining" if text.stored else "insert_joining", text.row()
            text.stored = True
        self._changed = {}


def time_out(db: Database, now: Millis, wait: Millis) -> list[Whole]:
    """Texts whose parts have not all come in time, a page of them, as they are; inside a transaction."""
    texts = [Text.of(row) for row in db.read("overdue_joining", now=now)]
    wholes = [Whole(text.close(Millis(now + wait)), text.door, complete=False) for text in texts]
    if texts:
        db.write_batch("update_joining", [text.row() for text in texts])
    return wholes
