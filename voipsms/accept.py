"""May this be sent, who pays, how much, which way: pure decisions over what is in memory."""

from __future__ import annotations

import re

from voipsms.directory import Account, Directory
from voipsms.errors import (
    AccountExpired,
    AccountFault,
    BadUserData,
    EmptyText,
    NobodyToBill,
    NoCredit,
    NoResellerCredit,
    NotConverted,
    OptedOut,
    TooLong,
    UserInactive,
)
from voipsms.least_cost import first_that_pays
from voipsms.model import Coding, Message, MessageId, Micros, Millis, Msisdn, Submission, UserId, UserType
from voipsms.routing import Asked, Ways
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import Kind, Number, converts, read_number
from voipsms.sms.segment import segment
from voipsms.tariffs import price

ALPHANUMERIC = 11  # characters of an alphanumeric sender, 3GPP TS 23.040 §9.1.2.5
USER_DATA, CONCATENATION = 140, 5  # octets of a part's user data; of an 8-bit reference's element
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")  # NUL, and halves of surrogate pairs


def accept(
    submission: Submission,
    directory: Directory,
    settings: GlobalSettings,
    ways: Ways,
    bill_to: str,
    message_id: MessageId,
    now: Millis,
) -> Message:
    """The message that this submission becomes. Raises Refused."""
    number = _target(submission, settings)
    target = Msisdn(number.digits)
    account = _payer(submission, directory, bill_to, settings.country)
    if account.terms is not None:
        check_terms(account, now)
    sender = sender_of(submission, account, bill_to, settings.country)
    if directory.is_opted_out(target, sender, account.id) and not submission.exempt:
        raise OptedOut
    text = "" if submission.octets else submission.text
    if not text.isprintable():  # the quick look: hardly any is worth the thorough one
        text = _UNSENDABLE.sub("�", text)
    coding, parts = _measure_octets(submission, settings) if submission.octets else _measure(text, settings)
    gateways = ways(Asked(target, sender, account.id, account.group, number.region, number.kind, now, parts))
    charged = price(directory, settings, account, target, parts, now).amount
    gateway, owed = first_that_pays(directory, settings, gateways, account, charged, target, parts, now)
    if not account.affords(charged):
        raise NoCredit
    charges = _charges(account, directory, settings, target, parts, now) if account.levels else ()
    return Message(
        id=message_id,
        created=now,
        door=submission.door,
        user_id=account.id,
        gateway_id=gateway,
        sender=sender,
        target=target,
        text=text,
        coding=coding,
        parts=parts,
        duration=settings.smstime,
        price=charged,
        cost=owed,
        currency=account.currency,
        client_ip=submission.client_ip,
        message_class=submission.message_class,
        imdn=submission.imdn,
        ingress_key=submission.ingress_key,
        octets=submission.octets,
        udh=submission.udh,
        due=submission.due,
        valid=submission.valid,
        charges=charges,
        counted=account.counted,
    )


def _target(submission: Submission, settings: GlobalSettings) -> Number:
    number = read_number(submission.target, settings.country)
    if not settings.enablesms:
        raise NotConverted
    if refusal := converts(settings.sendsmsmessages, number.kind):
        raise refusal
    return number


def _payer(submission: Submission, directory: Directory, bill_to: str, country: str) -> Account:
    """The first of the names and numbers that the door vouches for which is an account, else who pays for the rest."""
    found = (find(directory, payer, country) for payer in submission.payers)
    account = next((account for account in found if account), None) or directory.by_name.get(bill_to)
    if account is None:
        raise NobodyToBill
    if not account.enabled:
        raise UserInactive
    return account


def check_terms(account: Account, now: Millis) -> None:
    """What bounds an account bounds those that buy from it. Raises Refused."""
    if account.fault:
        raise AccountFault
    if account.expired(now):
        raise AccountExpired
    if not all(reseller.enabled for reseller in account.levels):
        raise UserInactive("A reseller of this account is inactive")
    if any(reseller.expired(now) for reseller in account.levels):
        raise AccountExpired("A reseller of this account has expired")


def _charges(
    account: Account, directory: Directory, settings: GlobalSettings, target: str, parts: int, now: Millis
) -> tuple[tuple[UserId, Micros], ...]:
    """What each reseller pays, by its own packet."""
    charges = []
    for reseller in account.levels:
        charged = price(directory, settings, reseller, target, parts, now).amount
        if not reseller.affords(charged):
            raise NoResellerCredit
        charges.append((reseller.id, charged))
    return tuple(charges)


def find(directory: Directory, name: str, country: str) -> Account | None:
    """The account with this name, or to which this number belongs."""
    if account := directory.by_name.get(name) or directory.by_number.get(name):
        return account
    if account := directory.by_number.get(read_number(name, country).digits):
        return account
    owner = directory.book.owner(name.removeprefix("+"))
    return directory.by_id.get(owner) if owner else None


def sender_of(submission: Submission, account: Account, bill_to: str, country: str) -> str:
    """A user sends from one of the numbers of that user; who pays for others, and admins, from what they say."""
    said = read_number(submission.sender, country)
    free = submission.free_sender or account.type is UserType.ADMIN or account.name == bill_to
    if not free and account.numbers and said.digits not in account.numbers:
        return account.ranges.own(submission.sender) or account.numbers[0]
    return _spelled(said, submission.sender)


def _spelled(number: Number, raw: str) -> str:
    if number.kind in (Kind.NAME, Kind.IMPOSSIBLE):
        return _UNSENDABLE.sub("", raw).strip()[:ALPHANUMERIC]
    return number.digits


def _measure(text: str, settings: GlobalSettings) -> tuple[Coding, int]:
    if not text:
        raise EmptyText
    segments = segment(text, transliterate=settings.transliterate)
    return segments.coding, _bounded(segments.parts, settings)


def _measure_octets(submission: Submission, settings: GlobalSettings) -> tuple[Coding, int]:
    """A binary message: the header that it brings goes into every part, with the concatenation element where it takes
    several (3GPP TS 23.040 §9.2.3.24)."""
    udh = submission.udh
    if udh and len(udh) != udh[0] + 1:
        raise BadUserData("The user data header's length octet is wrong")
    if len(udh) + len(submission.octets) <= USER_DATA:
        return Coding.BINARY, 1
    room = USER_DATA - (len(udh) or 1) - CONCATENATION
    if room < 1:
        raise BadUserData("The user data header leaves no room")
    return Coding.BINARY, _bounded(-(-len(submission.octets) // room), settings)


def _bounded(parts: int, settings: GlobalSettings) -> int:
    if parts > settings.maxparts:
        raise TooLong(f"The message would take {parts} parts, at most {settings.maxparts} are taken")
    return parts
