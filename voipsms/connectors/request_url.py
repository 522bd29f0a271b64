"""The part of a request's URL before its path, which no message has a word in."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from urllib.parse import quote, unquote, urlsplit

from voipsms.connectors import places
from voipsms.connectors.dialects.names import CONSTANTS
from voipsms.connectors.pieces import Literal, Misplaced, Piece, Value
from voipsms.gateway_settings import GatewaySettings

_USERINFO = re.compile(r"(https?://)([^/?]*)@", re.IGNORECASE)
_PATH = re.compile(r"https?://[^/?]*[/?]", re.IGNORECASE)


def settled(pieces: Sequence[Piece], settings: GatewaySettings) -> list[Piece]:
    """The gateway's own constants may stand before the path: they are known now. Raises Misplaced for other values."""
    found: list[Piece] = []
    text = ""
    for piece in pieces:
        before = not _PATH.match(text)
        if isinstance(piece, Value) and before:
            piece = _constant(piece, settings)
        if isinstance(piece, Literal) and before:
            text += piece.text
        found.append(piece)
    return found


def _constant(piece: Value, settings: GatewaySettings) -> Literal:
    (name,) = piece.names if len(piece.names) == 1 else ("",)
    if name not in CONSTANTS or piece.filter:
        raise Misplaced(piece.at, "a value can't stand before the path of the URL")
    return Literal(quote(getattr(settings, name), safe=":", errors="replace"), piece.at)


def without_userinfo(pieces: Sequence[Piece]) -> tuple[list[Piece], str]:
    """`user:password@` as the value of an Authorization header (RFC 7617), empty where there is none, and the rest."""
    literals: list[str] = []
    for piece in pieces:
        if not isinstance(piece, Literal):
            break
        literals.append(piece.text)
    whole = "".join(literals)
    userinfo = _USERINFO.match(whole)
    if not userinfo:
        return list(pieces), ""
    places.url.after(Literal(userinfo[0], 0))  # for what is not allowed there
    credentials = base64.b64encode(unquote(userinfo[2]).encode("utf-8", "replace")).decode()
    return [Literal(userinfo[1] + whole[userinfo.end() :], 0), *pieces[len(literals) :]], f"Basic {credentials}"


def check_host(url: str) -> None:
    """Raises Misplaced for what is not http(s)://host or http(s)://host:port."""
    try:
        parts = urlsplit(url)
        usable = (parts.hostname or "").encode("idna") and parts.port != 0 and not re.search(r"[%\\]", parts.netloc)
    except ValueError:  # UnicodeError is one
        usable = False
    if not usable:
        raise Misplaced(0, "must be http(s)://host, with :port from 1 to 65535 where it is another than usual")
