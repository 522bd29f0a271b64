"""Who has opted out of what, in memory: one look at a phone's number where it hasn't."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from voipsms.model import UserId

NOBODY = UserId(0)  # in a scope: whichever account sends

Scope = tuple[UserId, str]  # of which account; from which sender, "" from all, `44777…[0-9999]` from a range
Scopes = tuple[Scope, ...]


class Stops:
    """A million phones take some 170 MB, numbers included: those that have opted out of the same share one value."""

    def __init__(self) -> None:
        self._by_phone: dict[str, Scopes] = {}
        self._shared: dict[Scopes, Scopes] = {}

    def __len__(self) -> int:
        """Phones."""
        return len(self._by_phone)

    def load(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """As the statement `opted_out` gives them: number, account, sender. A million take half a second."""
        by_phone = self._by_phone = dict[str, Scopes]()
        shared = self._shared = dict[Scopes, Scopes]()
        for number, user, sender in rows:
            scopes: Scopes = ((user, sender),)
            scopes = shared.get(scopes) or shared.setdefault(scopes, scopes)
            if by_phone.setdefault(number, scopes) is not scopes:
                self.set(number, tuple(dict.fromkeys((*by_phone[number], *scopes))))

    def set(self, number: str, scopes: Scopes) -> None:
        """All that this phone has opted out of."""
        if scopes:
            self._by_phone[number] = self._shared.setdefault(scopes, scopes)
        else:
            self._by_phone.pop(number, None)

    def of(self, number: str) -> Scopes:
        return self._by_phone.get(number, ())

    def refuse(self, number: str, sender: str, user: UserId) -> bool:
        scopes = self._by_phone.get(number)
        return scopes is not None and refuse(scopes, sender, user)


def refuse(scopes: Scopes, sender: str, user: UserId) -> bool:
    return any(by in (NOBODY, user) and (not of or covers(of, sender)) for by, of in scopes)


def covers(of: str, sender: str) -> bool:
    """Whether it is this number, or one of this tagged range (44777xxxxxxx[0-9999], Clickatell's guide §6.2)."""
    base, tagged, digits = of.partition("[0-")
    if not tagged:
        return of == sender
    return sender.startswith(base) and len(sender) - len(base) < len(digits)  # which ends with a bracket
