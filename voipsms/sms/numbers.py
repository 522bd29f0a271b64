"""What a target is: a mobile, another phone, a short code, a name. The only importer of phonenumbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult, shortnumberinfo

from voipsms.errors import ImpossibleNumber, NotConverted, Refused
from voipsms.model import Msisdn


class Kind(Enum):
    MOBILE = "mobile"  # or what may be one, where the numbering plan makes no difference (US)
    PHONE = "phone"  # any other possible phone number: fixed, VoIP, unassigned range
    SHORT = "short"  # 3 to 6 digits
    NAME = "name"  # has letters
    IMPOSSIBLE = "impossible"  # no letters, and no phone number either


_NO_DIGITS = Msisdn("")


@dataclass(frozen=True, slots=True)
class Number:
    """`digits`: E.164 without +, or the short code; empty for NAME and IMPOSSIBLE. `region`: two letters, `001` for
    worldwide services, empty where unknown."""

    kind: Kind
    digits: Msisdn = _NO_DIGITS
    region: str = ""


_NAME, _IMPOSSIBLE = Number(Kind.NAME), Number(Kind.IMPOSSIBLE)
_KINDS = {PhoneNumberType.MOBILE: Kind.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE: Kind.MOBILE}
_MAX_RAW = 64  # characters; E.164 has 15 digits, the rest is for separators and prefixes
_SEPARATORS = str.maketrans("", "", "-.() ")
_DIGITS = re.compile(r"\+?[0-9]+", re.ASCII)
_SHORT = re.compile(r"[0-9]{3,6}", re.ASCII)


def _dialled(raw: str) -> str:
    """Without `tel:`, its parameters (RFC 3966 §3) and visual separators; `00` made `+`."""
    if raw[:4].lower() == "tel:":
        raw = raw[4:].partition(";")[0]
    digits = raw.translate(_SEPARATORS)
    return "+" + digits[2:] if digits.startswith("00") else digits


def _readings(dialled: str, country: str) -> Iterator[PhoneNumber]:
    """As whom a number may be meant, likeliest first."""
    ways = [(dialled, country)]
    if not dialled.startswith("+"):
        ways.append(("+" + dialled, ""))
        if country and dialled.startswith("0"):
            ways.append((dialled[1:], country))  # a trunk 0, where this country's prefix is another
    for digits, region in ways:
        try:
            yield phonenumbers.parse(digits, region or None)
        except NumberParseException:
            continue


@dataclass(frozen=True, slots=True)
class _Plan:
    """A region's numbering plan, as far as it tells a mobile number from everything else."""

    mobile: re.Pattern[str]
    others: re.Pattern[str]
    lengths: frozenset[int]
    trunk: re.Pattern[str]  # digits that may be a national prefix


_NEVER = "(?!)"
_OTHERS = (
    "fixed_line", "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail",
)  # fmt: skip


@lru_cache(maxsize=300)
def _plan(region: str) -> _Plan | None:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or not metadata.mobile:
        return None
    mobile, general = metadata.mobile, metadata.general_desc
    descriptions = (getattr(metadata, name) for name in _OTHERS)
    patterns = [desc.national_number_pattern for desc in descriptions if desc and desc.national_number_pattern]
    return _Plan(
        re.compile(mobile.national_number_pattern or _NEVER),
        re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or _NEVER),
        frozenset(mobile.possible_length or (general.possible_length if general else ())),
        re.compile(metadata.national_prefix_for_parsing or _NEVER),
    )


def _plain_mobile(digits: str) -> Number | None:
    """What `_phone` would say of a mobile number in international form, in a quarter of the time; None: ask it.

    Only where a country code has one region, and nothing but a mobile can have this number.
    """
    for length in (1, 2, 3):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length]), ())
        if not regions:
            continue
        plan = _plan(regions[0]) if len(regions) == 1 else None
        national = digits[length:]
        if plan is None or len(national) not in plan.lengths or not plan.mobile.fullmatch(national):
            return None
        if plan.others.fullmatch(national) or plan.trunk.match(national):
            return None
        return Number(Kind.MOBILE, Msisdn(digits), regions[0])
    return None


def _possible(number: PhoneNumber) -> bool:
    return phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE


def _number(number: PhoneNumber, type: int) -> Number:
    national = phonenumbers.national_significant_number(number)
    region = phonenumbers.region_code_for_number(number) or ""
    return Number(_KINDS.get(type, Kind.PHONE), Msisdn(f"{number.country_code}{national}"), region)


def _phone(dialled: str, country: str) -> Number:
    possible: PhoneNumber | None = None
    for number in _readings(dialled, country):
        type = phonenumbers.number_type(number)
        if type != PhoneNumberType.UNKNOWN:  # so it is valid
            return _number(number, type)
        if possible is None and _possible(number):
            possible = number
    return _number(possible, PhoneNumberType.UNKNOWN) if possible else _IMPOSSIBLE


def read_number(raw: str, country: str = "") -> Number:
    """Never raises. `country`: two letters, whose national forms are understood and preferred; empty: none.

    Understood are `+36…`, `0036…`, `36…`, national with the trunk prefix or without, `tel:`,
    and the separators `-.()` and space.
    A number that may be read in several ways is the first that is valid, then the first that is possible: national,
    international without +.
    """
    if len(raw) > _MAX_RAW:
        return _NAME if any(map(str.isalpha, raw[:_MAX_RAW])) else _IMPOSSIBLE
    return _read(raw, country)


@lru_cache(maxsize=20_000)
def _read(raw: str, country: str) -> Number:
    dialled = _dialled(raw.strip())
    if not _DIGITS.fullmatch(dialled):
        return _NAME if any(map(str.isalpha, dialled)) else _IMPOSSIBLE
    if _SHORT.fullmatch(dialled):
        return Number(Kind.SHORT, Msisdn(dialled), country)
    if not country or dialled.startswith("+"):
        return _plain_mobile(dialled.removeprefix("+")) or _phone(dialled, country)
    return _phone(dialled, country)


@lru_cache(maxsize=20_000)
def national(number: str) -> str:
    """The digits that are dialled within the number's own country, trunk prefix included.

    `number`: E.164 digits, with + or without; anything else, a short code too, stays as it is.
    """
    digits = number.removeprefix("+")
    if not _DIGITS.fullmatch(digits) or _SHORT.fullmatch(digits) or len(digits) > _MAX_RAW:
        return number
    try:
        parsed = phonenumbers.parse("+" + digits)
    except NumberParseException:
        return number
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(filter(str.isdecimal, written)) or number


@lru_cache(maxsize=20_000)
def country_of(number: str) -> str:
    """Two letters; '' for a short code, a worldwide service and what is no number. `number`: E.164 digits without +.

    An unassigned number has the country whose code it begins with, the main one where several share it.
    """
    found = read_number("+" + number)
    if found.region:
        return "" if found.region == "001" else found.region
    if found.kind is Kind.PHONE:
        for length in (1, 2, 3):
            if regions := phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(number[:length])):
                return "" if regions[0] == "001" else regions[0]
    return ""


_EMERGENCIES = frozenset({"112", "911", "999", "000"})  # whatever country is meant
_LONGEST_EMERGENCY = 6  # digits, with what people dial behind it
_COSTLY = (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST)


def is_emergency(number: str, country: str = "") -> bool:
    """Whether this, dialled as it is, reaches an emergency service: of this country, where one is given."""
    digits = number.removeprefix("+")
    if digits in _EMERGENCIES:
        return True
    known = bool(country and digits) and len(digits) <= _LONGEST_EMERGENCY
    return known and shortnumberinfo.connects_to_emergency_number(digits, country)


@lru_cache(maxsize=20_000)
def is_premium(number: str) -> bool:
    """Whether a call costs more than one to an ordinary phone there. `number`: E.164 digits without +.

    Digits too many don't help: switches drop them, and connect what is left.
    """
    try:
        parsed = phonenumbers.parse("+" + number)
    except NumberParseException:
        return False
    if phonenumbers.number_type(parsed) in _COSTLY:
        return True
    return phonenumbers.truncate_too_long_number(parsed) and phonenumbers.number_type(parsed) in _COSTLY


_REFUSALS: tuple[dict[Kind, type[Refused]], ...] = (
    dict.fromkeys(Kind, NotConverted),
    {
        Kind.PHONE: NotConverted,
        Kind.SHORT: NotConverted,
        Kind.NAME: NotConverted,
        Kind.IMPOSSIBLE: ImpossibleNumber,
    },
    {Kind.SHORT: NotConverted, Kind.NAME: NotConverted, Kind.IMPOSSIBLE: ImpossibleNumber},
    {Kind.NAME: ImpossibleNumber, Kind.IMPOSSIBLE: ImpossibleNumber},
)


def converts(mode: int, kind: Kind) -> type[Refused] | None:
    """What refuses a target of this kind under `sendsmsmessages = mode` (0–3); None: it is converted to an SMS."""
    return _REFUSALS[mode].get(kind)
