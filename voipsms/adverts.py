"""What an operator adds to texts: smsadvprefix, an advertisement and smssignature. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voipsms.model import Micros, Millis
from voipsms.money import micros
from voipsms.settings import GlobalSettings
from voipsms.store.database import Row
from voipsms.values import Value


class Advert(Value, frozen=True):
    """`ends` 0: never. `groups` of users; none: everybody."""

    text: str
    weight: int
    starts: Millis
    ends: Millis
    groups: tuple[str, ...]

    def suits(self, group: str, now: Millis) -> bool:
        return self.starts <= now and (not self.ends or now < self.ends) and (not self.groups or group in self.groups)


def read_rows(rows: Iterable[Row]) -> tuple[Advert, ...]:
    """Of the statement `adverts`."""
    return tuple(
        Advert(text, max(weight, 0), Millis(starts), Millis(ends), tuple(filter(None, groups.split(","))))
        for _, text, weight, starts, ends, groups in rows
    )


def choose(adverts: Sequence[Advert], group: str, now: Millis, draw: float) -> str:
    """One that suits, by weight; empty: there is none. `draw`: from 0 up to but not 1."""
    suitable = [advert for advert in adverts if advert.weight and advert.suits(group, now)]
    place = draw * sum(advert.weight for advert in suitable)
    for advert in suitable:
        place -= advert.weight
        if place < 0:
            return advert.text
    return ""


def adorn(text: str, settings: GlobalSettings, advert: str) -> str:
    return _joined(_joined(_joined(settings.smsadvprefix, advert), text), settings.smssignature)


def _joined(left: str, right: str) -> str:
    """With a blank between them, unless one of them brings its own white space."""
    if not left or not right or left[-1].isspace() or right[0].isspace():
        return left + right
    return f"{left} {right}"


def credit(settings: GlobalSettings, price: Micros) -> Micros:
    """For a message with an advertisement: at most what it costs, so that nobody lives on sending."""
    return min(micros(settings.smsadvvalue), price)
