"""Header fields: ordered, multi-valued, known by any spelling of their names. RFC 3261 §7.3, §20."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from voipsms.sip.grammar import TOKEN, split_values

# RFC 3261 §20; e, o, u: RFC 3265; d, j, r, b, x, y, n, a: RFC 3841 3892 3515 4028 4474 4474 3841
COMPACT = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
    "e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
    "l": "Content-Length", "m": "Contact", "n": "Identity-Info", "o": "Event", "r": "Refer-To", "s": "Subject",
    "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip
_NAMES = (
    "Accept", "Accept-Encoding", "Accept-Language", "Allow", "Authentication-Info", "Authorization", "CSeq", "Date",
    "Expires", "Max-Forwards", "MIME-Version", "P-Asserted-Identity", "Proxy-Authenticate", "Proxy-Authorization",
    "Reason", "Record-Route", "Require", "Retry-After", "Route", "Server", "Unsupported", "User-Agent",
    "WWW-Authenticate", *COMPACT.values(),
)  # fmt: skip
_CANONICAL = {spelling: name for name in _NAMES for spelling in (name, name.lower())}
_CANONICAL |= {spelling: name for short, name in COMPACT.items() for spelling in (short, short.upper())}


def canonical(name: str) -> str:
    """The one spelling under which a name is kept; of unknown names the lower-case one."""
    known = _CANONICAL.get(name)
    if known is None:
        name = name.lower()
        known = _CANONICAL.get(name, name)
    return known


class Headers:
    """Names are case-insensitive and may be compact; values have no surrounding blanks."""

    __slots__ = ("_fields", "_values")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: list[tuple[str, str]] = []  # as they are to be sent
        self._values: dict[str, list[str]] = {}  # by canonical name
        for name, value in fields:
            self.add(name, value)

    def add(self, name: str, value: str) -> None:
        key = canonical(name)
        self._fields.append((key if key in _CANONICAL else name, value))
        self._values.setdefault(key, []).append(value)

    def read(self, lines: Iterable[str]) -> str:
        """Adds unfolded header lines. Returns what is wrong with the first bad one, or ""; bad ones are left out."""
        fields, values, fault = self._fields, self._values, ""
        for line in lines:
            name, colon, value = line.partition(":")
            key = _CANONICAL.get(name)
            if key is None:
                name = name.rstrip(" \t")
                if not colon or not TOKEN.fullmatch(name):
                    fault = fault or "Malformed header line"
                    continue
                key = canonical(name)
            elif not colon:
                fault = fault or "Malformed header line"
                continue
            value = value.strip(" \t")
            fields.append((key if key in _CANONICAL else name, value))
            if key in values:
                values[key].append(value)
            else:
                values[key] = [value]
        return fault

    def get(self, name: str, default: str = "") -> str:
        """The first field's value as it stands."""
        values = self._values.get(name) or self._values.get(canonical(name))  # mostly it is asked by its own name
        return values[0] if values else default

    def get_all(self, name: str) -> Sequence[str]:
        """Every field's value as it stands, one an occurrence."""
        values = self._values.get(name)
        return values if values is not None else self._values.get(canonical(name), ())

    def values(self, name: str) -> list[str]:
        """Every value, also where several stand in one field. Raises SipParseError."""
        return [value for field in self._values.get(canonical(name), ()) for value in split_values(field)]

    def replace_first(self, name: str, value: str) -> None:
        """Puts `value` in the place of the first field of that name."""
        key = canonical(name)
        if self._fields[0][0] == key:  # Via mostly stands there
            self._fields[0] = (key, value)
        else:
            position = next(i for i, (known, _) in enumerate(self._fields) if known == key or known.lower() == key)
            self._fields[position] = (self._fields[position][0], value)
        self._values[key][0] = value

    def __contains__(self, name: str) -> bool:
        return canonical(name) in self._values

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"
