"""Digest authentication, both sides: RFC 3261 §22, RFC 7616, RFC 8760. Times are seconds since 1970.

The server keeps nothing for a challenge: a nonce proves by itself that it is ours and when it was made. What it
keeps, bounded, is the highest nonce count seen of nonces in use, so that no request can be replayed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from voipsms.errors import ProtocolError
from voipsms.sip.grammar import SipParseError, parse_params, quote
from voipsms.sip.uri import Uri

ALGORITHMS: dict[str, Callable[[bytes], hashlib._Hash]] = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}  # best first
MAX_NONCES = 50_000  # in use at once
MAX_ATTEMPTS = 50_000  # (username, address) pairs


class NoUsableChallenge(ProtocolError):
    """None of a server's challenges is a digest that we can answer."""


def _hash(algorithm: str, *words: str) -> str:
    return ALGORITHMS[algorithm](":".join(words).encode()).hexdigest()


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    """What is stored of a password, in hexadecimal; one for each of ALGORITHMS."""
    return _hash(algorithm, username, realm, password)


def _response(algorithm: str, secret: str, method: str, fields: Mapping[str, str]) -> str:
    """RFC 7616 §3.4.1; without qop as in RFC 2069."""
    ha2 = _hash(algorithm, method, fields["uri"])
    if "qop" not in fields:
        return _hash(algorithm, secret, fields["nonce"], ha2)
    return _hash(algorithm, secret, fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"], ha2)


def _digest_fields(value: str) -> dict[str, str] | None:
    """The fields of a challenge or credentials; None where they are not a digest's."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    try:
        fields = parse_params(rest, ",")
    except SipParseError:
        return None
    fields["algorithm"] = fields.get("algorithm", "MD5").upper()
    return fields if fields["algorithm"] in ALGORITHMS else None


# -- server -------------------------------------------------------------------------------------------------------


class Outcome(Enum):
    OK = auto()
    MISSING = auto()  # none, or none that can be read: challenge
    STALE = auto()  # right, but for a nonce that is old, not ours or used before: challenge with stale=true
    WRONG = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`username` is set with OK, STALE and WRONG; with WRONG it may be anything at all."""

    outcome: Outcome
    username: str = ""


class DigestServer:
    """`fresh`: seconds that a nonce may be used for; `algorithms`: those that are offered and taken, best first;
    `since`: older nonces may have been used before this server was made, and count as stale.

    Processes that share `secret` take each other's nonces.
    """

    def __init__(
        self,
        realm: str,
        secret: bytes,
        *,
        fresh: float = 300.0,
        nonces: int = MAX_NONCES,
        algorithms: Sequence[str] = tuple(ALGORITHMS),
        since: float = 0.0,
    ) -> None:
        self._algorithms = algorithms
        self._realm, self._secret, self._fresh, self._max_nonces = realm, secret, fresh, nonces
        self._counts: OrderedDict[str, int] = OrderedDict()  # nonce → the highest nonce count seen
        self._forgotten = since  # nonces made up to then may have been used, and count as stale

    def challenges(self, now: float, *, stale: bool = False) -> list[tuple[str, str]]:
        """WWW-Authenticate headers, best algorithm first: RFC 8760 §2.4."""
        nonce, end = self._nonce(now), ", stale=true" if stale else ""
        return [
            (
                "WWW-Authenticate",
                f'Digest realm={quote(self._realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{end}',
            )
            for algorithm in self._algorithms
        ]

    def verify(
        self,
        authorizations: Sequence[str],
        method: str,
        uri: str,
        stored: Callable[[str, str], str | None],
        now: float,
    ) -> Verdict:
        """Judges a request by its Authorization values.

        `stored(username, algorithm)` is the user's ha1(), None where there is no such user.
        """
        found = (_digest_fields(value) for value in authorizations)
        fields = next((one for one in found if one is not None and one.get("realm") == self._realm), None)
        if fields is None or not _complete(fields) or fields["algorithm"] not in self._algorithms:
            return Verdict(Outcome.MISSING)
        username, algorithm = fields["username"], fields["algorithm"]
        secret = stored(username, algorithm)
        expected = _response(algorithm, secret or "nobody", method, fields)
        equal = hmac.compare_digest(expected.encode(), fields["response"].lower().encode())
        if not equal or secret is None or not _same_uri(fields["uri"], uri):
            return Verdict(Outcome.WRONG, username)
        used = self._use(fields["nonce"], int(fields.get("nc", "1"), 16), now)
        return Verdict(Outcome.OK if used else Outcome.STALE, username)

    def _nonce(self, now: float) -> str:
        stamp = f"{int(now * 1000):012x}{secrets.token_hex(8)}"
        return stamp + self._seal(stamp)

    def _seal(self, stamp: str) -> str:
        return hmac.new(self._secret, stamp.encode(), hashlib.sha256).hexdigest()[:32]

    def _use(self, nonce: str, count: int, now: float) -> bool:
        """Whether this is a nonce of ours, fresh, and not used with this or a higher count. Marks it as used."""
        stamp, seal = nonce[:28], nonce[28:]
        if not hmac.compare_digest(seal.encode(), self._seal(stamp).encode()):
            return False
        made = int(stamp[:12], 16) / 1000
        if not 0 <= now - made + 1 <= self._fresh + 1 or made <= self._forgotten:
            return False
        if count <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = count
        while len(self._counts) > self._max_nonces:
            oldest, _ = self._counts.popitem(last=False)
            self._forgotten = max(self._forgotten, int(oldest[:12], 16) / 1000)
        return True


_NEEDED = ("username", "nonce", "uri", "response")
_HEX = frozenset("0123456789abcdefABCDEF")


def _complete(fields: Mapping[str, str]) -> bool:
    if not all(fields.get(name) for name in _NEEDED):
        return False
    if "qop" not in fields:
        return "nc" not in fields
    nc = fields.get("nc", "")
    return fields["qop"] == "auth" and "cnonce" in fields and len(nc) == 8 and _HEX.issuperset(nc)


def _same_uri(claimed: str, actual: str) -> bool:
    """RFC 3261 §22.4 item 8; parameters and ways of spelling don't matter, and some peers name only the host."""
    if claimed == actual:
        return True
    try:
        a, b = Uri.parse(claimed), Uri.parse(actual)
    except SipParseError:
        return False
    return (a.scheme, a.host, a.port) == (b.scheme, b.host, b.port) and a.user in ("", b.user)


class Attempts:
    """Wrong credentials by (username, address): after `limit` of them the pair is locked for `lockout` seconds."""

    def __init__(self, limit: int, lockout: float, *, pairs: int = MAX_ATTEMPTS) -> None:
        self._limit, self._lockout, self._max_pairs = limit, lockout, pairs
        self._wrong: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()  # how many, the last one when

    def locked(self, username: str, address: str, now: float) -> bool:
        count, last = self._wrong.get((username, address), (0, 0.0))
        return count >= self._limit and now - last < self._lockout

    def wrong(self, username: str, address: str, now: float) -> bool:
        """Counts a wrong attempt. Returns whether the pair is locked now."""
        pair = (username, address)
        count, last = self._wrong.pop(pair, (0, now))
        count = 1 if now - last >= self._lockout else count + 1
        self._wrong[pair] = (count, now)
        while len(self._wrong) > self._max_pairs:
            self._wrong.popitem(last=False)
        return count >= self._limit

    def right(self, username: str, address: str) -> None:
        self._wrong.pop((username, address), None)


# -- client -------------------------------------------------------------------------------------------------------


def authorization(
    challenges: Sequence[str],
    method: str,
    uri: str,
    username: str,
    password: str,
    *,
    cnonce: str,
    nc: int = 1,
) -> str:
    """The Authorization value that answers the best of the WWW-Authenticate values. Raises NoUsableChallenge."""
    found = [fields for fields in map(_digest_fields, challenges) if fields and fields.get("nonce")]
    usable = [fields for fields in found if "qop" not in fields or "auth" in _words(fields["qop"])]
    ranked = sorted(usable, key=lambda fields: list(ALGORITHMS).index(fields["algorithm"]))
    if not ranked:
        raise NoUsableChallenge("No digest challenge that can be answered")
    challenge = ranked[0]
    algorithm, realm = challenge["algorithm"], challenge.get("realm", "")
    fields = {"nonce": challenge["nonce"], "uri": uri}
    if "qop" in challenge:
        fields |= {"qop": "auth", "nc": f"{nc:08x}", "cnonce": cnonce}
    fields["response"] = _response(algorithm, ha1(algorithm, username, realm, password), method, fields)
    fields |= {"username": username, "realm": realm}
    if "opaque" in challenge:
        fields["opaque"] = challenge["opaque"]
    bare = {name: fields[name] for name in ("qop", "nc") if name in fields} | {"algorithm": algorithm}
    quoted = [f"{name}={quote(value)}" for name, value in fields.items() if name not in bare]
    return "Digest " + ", ".join([*quoted, *(f"{name}={value}" for name, value in bare.items())])


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]
