"""What a leg costs its user, the resellers above, and us: from the price packets of service CALL."""

from __future__ import annotations

from voipsms.accept import check_terms
from voipsms.directory import Account, Directory
from voipsms.errors import NobodyToBill, NoPrice, UserInactive
from voipsms.model import GatewayId, Micros, Millis, UserId
from voipsms.rating import MINUTE, Service
from voipsms.settings import GlobalSettings
from voipsms.store.calls import Fee

FREE = Fee()


def payer(directory: Directory, user: UserId, now: Millis) -> Account:
    """Who is to be charged. Raises Refused where nobody can be."""
    account = directory.by_id.get(user)
    if account is None:
        raise NobodyToBill
    if not account.enabled:
        raise UserInactive
    if account.terms is not None:
        check_terms(account, now)
    return account


def fees(directory: Directory, account: Account, number: str, now: Millis) -> tuple[Fee, ...]:
    """The account's and its resellers', nearest first. Raises NoPrice where a packet has none: smsprice is not for
    calls."""
    found = [_fee(directory, one.packet, number, now) for one in (account, *account.levels)]
    if None in found:
        raise NoPrice
    return tuple(fee for fee in found if fee is not None)


def cost(directory: Directory, gateway: GatewayId, number: str, now: Millis) -> Fee:
    """What the gateway charges us; nothing where it has no packet, or that has no price."""
    charged = directory.costs.get(gateway)
    return (_fee(directory, charged.packet, number, now) if charged is not None else None) or FREE


def _fee(directory: Directory, packet: str, number: str, now: Millis) -> Fee | None:
    prices = directory.tariffs.packets.get((packet, Service.CALL))
    found = prices.find(number, now) if prices is not None else None
    return None if found is None else Fee(found[1].price, found[1].connect_fee, found[1].minimum)


def minute(fee: Fee) -> Micros:
    """A leg of a minute: by this, ways are compared."""
    return fee.amount(MINUTE)


def loses(settings: GlobalSettings, price: Fee, currency: str, owed: Fee) -> bool:
    """As least_cost.loses, of a minute."""
    return minute(owed) > minute(price) and not settings.allow_loss and currency == settings.currency
