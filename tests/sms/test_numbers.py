import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from voipsms.errors import ImpossibleNumber, NotConverted, Refused
from voipsms.sms import numbers
from voipsms.sms.numbers import Kind, converts, read_number

MOBILE, PHONE, SHORT, NAME, IMPOSSIBLE = Kind


@pytest.mark.parametrize(
    "raw,country,kind,digits,region",
    [
        ("+36201234567", "", MOBILE, "36201234567", "HU"),
        ("0036201234567", "", MOBILE, "36201234567", "HU"),
        ("36201234567", "", MOBILE, "36201234567", "HU"),
        ("36201234567", "HU", MOBILE, "36201234567", "HU"),
        ("06201234567", "HU", MOBILE, "36201234567", "HU"),
        ("06 20 123-4567", "HU", MOBILE, "36201234567", "HU"),
        ("0201234567", "HU", MOBILE, "36201234567", "HU"),  # a trunk 0 where the prefix is 06
        ("201234567", "HU", MOBILE, "36201234567", "HU"),
        ("+36 (20) 123.45.67", "GB", MOBILE, "36201234567", "HU"),
        (" +36201234567 ", "", MOBILE, "36201234567", "HU"),
        ("tel:+36-20-123-4567", "", MOBILE, "36201234567", "HU"),
        ("TEL:+36201234567;phone-context=example.com", "", MOBILE, "36201234567", "HU"),
        ("+3606201234567", "", MOBILE, "36201234567", "HU"),  # with the national prefix too much
        ("+3612345678", "", PHONE, "3612345678", "HU"),
        ("07911123456", "GB", MOBILE, "447911123456", "GG"),
        ("00447911123456", "HU", MOBILE, "447911123456", "GG"),
        ("447911123456", "HU", MOBILE, "447911123456", "GG"),
        ("4366412345678", "HU", MOBILE, "4366412345678", "AT"),
        ("020 7946 0958", "GB", PHONE, "442079460958", "GB"),
        ("+12025550123", "", MOBILE, "12025550123", "US"),  # fixed or mobile: nobody knows
        ("2025550123", "US", MOBILE, "12025550123", "US"),  # national before Egypt's +20
        ("12025550123", "", MOBILE, "12025550123", "US"),
        ("01136201234567", "US", MOBILE, "36201234567", "HU"),  # 011 is its way abroad
        ("+390612345678", "", PHONE, "390612345678", "IT"),  # Italy keeps its zero
        ("+80012345678", "", PHONE, "80012345678", "001"),
        ("+36991234567", "", PHONE, "36991234567", "HU"),  # nobody's range, yet as long as a number
        ("112", "", SHORT, "112", ""),
        ("1749", "HU", SHORT, "1749", "HU"),
        ("123456", "", SHORT, "123456", ""),
        ("12", "", IMPOSSIBLE, "", ""),
        ("+112", "", IMPOSSIBLE, "", ""),
        ("1234567", "", IMPOSSIBLE, "", ""),
        ("1234567", "HU", IMPOSSIBLE, "", ""),
        ("+99912345678", "", IMPOSSIBLE, "", ""),
        ("0612345", "", IMPOSSIBLE, "", ""),
        ("06201234567", "", IMPOSSIBLE, "", ""),  # national, and no country
        ("1234567890123456", "", IMPOSSIBLE, "", ""),
        ("+" + "3" * 40, "", IMPOSSIBLE, "", ""),
        ("1" * 1000, "HU", IMPOSSIBLE, "", ""),
        ("", "", IMPOSSIBLE, "", ""),
        ("   ", "", IMPOSSIBLE, "", ""),
        ("+", "", IMPOSSIBLE, "", ""),
        ("00", "", IMPOSSIBLE, "", ""),
        ("++36201234567", "", IMPOSSIBLE, "", ""),
        ("+36+201234567", "", IMPOSSIBLE, "", ""),
        ("3620+1234567", "HU", IMPOSSIBLE, "", ""),
        ("*100#", "HU", IMPOSSIBLE, "", ""),
        ("tel:", "", IMPOSSIBLE, "", ""),
        ("+٣٦٢٠١٢٣٤٥٦٧", "", IMPOSSIBLE, "", ""),  # digits, but not those of a phone
        ("²³¹", "", IMPOSSIBLE, "", ""),
        ("+3620123\x004567", "", IMPOSSIBLE, "", ""),
        ("+36201234567\n+36201234568", "", IMPOSSIBLE, "", ""),
        ("alice", "", NAME, "", ""),
        ("36201234567x", "HU", NAME, "", ""),
        ("1-800-FLOWERS", "US", NAME, "", ""),
        ("Ödön", "HU", NAME, "", ""),
        ("x" * 1000, "", NAME, "", ""),
        ("0x1F", "", NAME, "", ""),
        ("+36201234567", "XX", MOBILE, "36201234567", "HU"),  # a country that isn't one
        ("06201234567", "XX", IMPOSSIBLE, "", ""),
    ],
    ids=lambda value: ascii(value)[:24] if isinstance(value, str) else "",
)
def test_read_number(raw: str, country: str, kind: Kind, digits: str, region: str) -> None:
    number = read_number(raw, country)
    assert (number.kind, number.digits, number.region) == (kind, digits, region)


@given(
    st.text() | st.text("0123456789+-.() ", max_size=20) | st.from_regex(r"(\+|00)?[1-9][0-9]{6,14}", fullmatch=True),
    st.sampled_from(["", "HU", "US", "GB", "IT", "XX"]),
)
@settings(deadline=None)  # the first number of a country loads its numbering plan
def test_never_raises(raw: str, country: str) -> None:
    number = read_number(raw, country)
    assert bool(number.digits) == (number.kind not in (NAME, IMPOSSIBLE))
    assert not number.digits or (number.digits.isascii() and number.digits.isdecimal())
    if number.kind in (MOBILE, PHONE):
        assert read_number("+" + number.digits).kind in (MOBILE, PHONE)


def test_cache_is_bounded() -> None:
    assert numbers._read.cache_info().maxsize == 20_000


@pytest.mark.parametrize(
    "mode,refusals",
    [
        (0, {MOBILE: NotConverted, PHONE: NotConverted, SHORT: NotConverted, NAME: NotConverted,
             IMPOSSIBLE: NotConverted}),
        (1, {MOBILE: None, PHONE: NotConverted, SHORT: NotConverted, NAME: NotConverted, IMPOSSIBLE: ImpossibleNumber}),
        (2, {MOBILE: None, PHONE: None, SHORT: NotConverted, NAME: NotConverted, IMPOSSIBLE: ImpossibleNumber}),
        (3, {MOBILE: None, PHONE: None, SHORT: None, NAME: ImpossibleNumber, IMPOSSIBLE: ImpossibleNumber}),
    ],
)  # fmt: skip
def test_converts(mode: int, refusals: dict[Kind, type[Refused] | None]) -> None:
    assert {kind: converts(mode, kind) for kind in Kind} == refusals


def _mobiles() -> list[str]:
    """International digits near every region's example of a mobile number."""
    found = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        if example:
            digits = phonenumbers.format_number(example, PhoneNumberFormat.E164)[1:]
            found += [digits, digits[:-1], digits + "1", *(digits[:-2] + f"{n:02}" for n in range(0, 100, 9))]
            found += [digits[:3] + str(n) + digits[4:] for n in range(10)]
    return found


def test_the_short_way_says_what_phonenumbers_says() -> None:
    quick = {digits: found for digits in _mobiles() if (found := numbers._plain_mobile(digits))}
    assert len(quick) > 1000
    assert quick == {digits: numbers._phone(f"+{digits}", "") for digits in quick}
