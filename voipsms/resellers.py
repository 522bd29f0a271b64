"""Who stands above an account: each reseller buys from the next one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

from voipsms.errors import VoipSmsError
from voipsms.model import UserId, UserType

DEEPEST: Final = 8  # resellers above an account


class BrokenChain(VoipSmsError):
    """Nobody can be billed by it; the text says which account is wrong, and why."""


class Party(Protocol):
    @property
    def id(self) -> UserId: ...

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> UserType: ...

    @property
    def currency(self) -> str: ...

    @property
    def reseller(self) -> UserId | None: ...


P = TypeVar("P", bound=Party)


def chain(party: P, parties: Mapping[UserId, P]) -> tuple[P, ...]:
    """The resellers of an account, nearest first. Raises BrokenChain."""
    found: list[P] = []
    below = party
    while below.reseller is not None:
        above = parties.get(below.reseller)
        if above is None:
            raise BrokenChain(f"the reseller of {below.name} is no account")
        _check(party, above)
        if above.id == party.id or above in found:
            raise BrokenChain(f"{above.name} would be its own reseller")
        if len(found) == DEEPEST:
            raise BrokenChain(f"{party.name} has more than {DEEPEST} resellers above it")
        found.append(above)
        below = above
    return tuple(found)


def _check(party: Party, above: Party) -> None:
    if above.type is not UserType.RESELLER:
        raise BrokenChain(f"{above.name} is no reseller, but {above.type}")
    if above.currency != party.currency:
        raise BrokenChain(f"{party.name} pays in {party.currency}, its reseller {above.name} in {above.currency}")


def faults(parties: Mapping[UserId, Party]) -> dict[UserId, str]:
    """The accounts that can't be billed by their chains, each with why."""
    found = {}
    for party in parties.values():
        if party.reseller is not None:
            try:
                chain(party, parties)
            except BrokenChain as error:
                found[party.id] = str(error)
    return found
