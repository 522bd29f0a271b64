from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms import price_file
from voipsms.commands.output import write_rows
from voipsms.commands.prices import NAMES, as_row
from voipsms.csv_table import FileError
from voipsms.price_file import LARGEST, SAME_PREFIX, Line
from voipsms.rating import Price

Said = list[tuple[int, str]]


def read(text: str) -> tuple[list[Line], Said]:
    said: Said = []
    lines = price_file.read(text.splitlines(keepends=True), "gold", "SMS", lambda line, why: said.append((line, why)))
    return lines, said


def price(prefix: str, amount: int, **fields: object) -> Price:
    return Price(prefix, 0, "", 0, amount, 0, 0)._replace(**fields)  # type: ignore[arg-type]


GOOD: dict[str, tuple[str, list[Price]]] = {
    "plain": ("prefix,price\n36,0.05\n", [price("36", 50_000)]),
    "in the order of prefixes": ("prefix,price\n44,2\n36,1\n3,0\n", [price(p, n) for p, n in (
        ("3", 0), ("36", 1_000_000), ("44", 2_000_000))]),
    "a plus": ("prefix,price\n+36,0.05\n", [price("36", 50_000)]),
    "every number": ("prefix,price\n,0.05\n", [price("", 50_000)]),
    "a millionth": ("prefix,price\n36,0.000001\n", [price("36", 1)]),
    "the largest": (f"prefix,price\n36,{LARGEST}\n", [price("36", LARGEST * 10**6)]),
    "columns in any order and case": ("Price, PREFIX\n 0.05 , 36 \n", [price("36", 50_000)]),
    "semicolons": ("prefix;price\n36;0.05\n", [price("36", 50_000)]),
    "carriage returns, blank lines": ("prefix,price\r\n\r\n36,0.05\r\n\r\n", [price("36", 50_000)]),
    "no line end": ("prefix,price\n36,0.05", [price("36", 50_000)]),
    "a name that is read over": ('name,prefix,price\n"Hungary, mobile",36,0.05\n', [price("36", 50_000)]),
    "packet and service that it is for": ("packet,service,prefix,price\ngold,SMS,36,1\n", [price("36", 10**6)]),
    "everything": (
        "prefix,price,connect_fee,minimum,valid_from,valid_to,timetable\n"
        '36,0.05,0.01,0.02,2026-01-01,2027-01-01T00:00:00+01:00,"Mon-Fri 08:00-18:00, Sat Europe/Budapest"\n',
        [Price("36", 1_767_225_600_000, "Mon-Fri 08:00-18:00, Sat Europe/Budapest", 1_798_758_000_000, 50_000, 10_000,
               20_000)],
    ),
    "optional cells may be empty": (
        "prefix,price,connect_fee,minimum,valid_from,valid_to,timetable\n36,0.05,,,,,\n", [price("36", 50_000)],
    ),
    "one after the other": (
        "prefix,price,valid_from,valid_to\n36,1,,2026-01-01\n36,2,2026-01-01,\n",
        [price("36", 10**6, valid_to=1_767_225_600_000), price("36", 2 * 10**6, valid_from=1_767_225_600_000)],
    ),
    "by day and by night": (
        "prefix,price,timetable\n36,1,08:00-18:00\n36,2,18:00-08:00\n",
        [price("36", 10**6, timetable="08:00-18:00"), price("36", 2 * 10**6, timetable="18:00-08:00")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, prices", GOOD.values(), ids=GOOD)
def test_good(text: str, prices: list[Price]) -> None:
    lines, said = read(text)
    assert said == []
    assert [line.price for line in lines] == prices


BAD: dict[str, tuple[str, str]] = {  # the third line of a file of five; the others are good
    "negative": ("36,-1", "price: must not be negative, not '-1'"),
    "a decimal comma in quotes": ('36,"1,5"', "price: must have a decimal point, no comma, not '1,5'"),
    "a decimal comma without": ("36,1,5", "has 3 values, the header 2; a decimal comma?"),
    "too few values": ("36", "has 1 values, the header 2"),
    "no price": ("36,", "price: must be an amount such as 0.05, with six decimal places at the most, not ''"),
    "seven decimal places": ("36,0.0000001", "price: must be an amount"),
    "an exponent": ("36,1e3", "price: must be an amount"),
    "not a number": ("36,nan", "price: must be an amount"),
    "an underscore": ("36,1_0", "price: must be an amount"),
    "other digits": ("36,٣", "price: must be an amount"),
    "a currency": ("36,0.05 EUR", "price: must be an amount"),
    "too much": (f"36,{LARGEST}.000001", f"price: must be at most {LARGEST}"),
    "letters in the prefix": ("36x,1", "prefix: must be digits that numbers begin with, at most 15, not '36x'"),
    "a blank in the prefix": ("36 20,1", "prefix: must be digits"),
    "sixteen digits": ("1234567890123456,1", "prefix: must be digits"),
    "a negative prefix": ("-36,1", "prefix: must be digits"),
    "both": (
        "x,-1",
        "prefix: must be digits that numbers begin with, at most 15, not 'x'; price: must not be negative",
    ),
    "the same again": ("44,1", "contradicts line 2: both are for the prefix 44 at the same time"),
    "the same again, with a plus": ("+44,2", "contradicts line 2: both are for the prefix 44"),
}


@pytest.mark.parametrize("line, why", BAD.values(), ids=BAD)
def test_bad(line: str, why: str) -> None:
    lines, said = read(f"prefix,price\n44,1\n{line}\n45,1\n46,1\n")
    assert [number for number, _ in said] == [3]
    assert said[0][1].startswith(why)
    assert [line.number for line in lines] == [2, 4, 5]


BAD_OPTIONS: dict[str, tuple[str, str]] = {
    "negative fee": ("-1,,,,", "connect_fee: must not be negative"),
    "negative minimum": (",-0.5,,,", "minimum: must not be negative"),
    "no such day": (",,2026-02-30,,", "valid_from: must be a time such as 2026-11-20"),
    "a time in words": (",,,tomorrow,", "valid_to: must be a time"),
    "before 1970": (",,1969-12-31,,", "valid_from: must not be before 1970"),
    "year 1": (",,0001-01-01,,", "valid_from: must not be before 1970"),
    "ends before it begins": (",,2026-02-02,2026-02-01,", "valid_to: must be after valid_from"),
    "ends when it begins": (",,2026-02-02,2026-02-02,", "valid_to: must be after valid_from"),
    "no timetable": (",,,,never", "timetable: must be such as Mon-Fri 08:00-18:00 Europe/Budapest (column 1: 'never'"),
    "a timetable that begins at 25": (",,,,25:00-26:00", "timetable: must be such as"),
}


@pytest.mark.parametrize("cells, why", BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_bad_options(cells: str, why: str) -> None:
    lines, said = read(f"prefix,price,connect_fee,minimum,valid_from,valid_to,timetable\n36,1,{cells}\n")
    assert lines == []
    assert [number for number, _ in said] == [2]
    assert said[0][1].startswith(why)


CONTRADICTIONS: dict[str, tuple[list[str], list[int]]] = {  # valid_from,valid_to,timetable of one prefix; bad lines
    "days that overlap": (["2026-01-01,2026-02-01,", "2026-01-31,,"], [3]),
    "days in turn": (["2026-01-01,2026-02-01,", "2026-02-01,,"], []),
    "hours that overlap": ([",,08:00-18:00", ",,17:59-20:00"], [3]),
    "hours in turn": ([",,08:00-18:00", ",,18:00-20:00"], []),
    "hours that overlap, on other days": (["2026-01-01,2026-02-01,08:00-18:00", "2026-02-01,,08:00-18:00"], []),
    "hours of another zone": ([",,Mon 08:00-09:00", ",,Tue 08:00-09:00 Europe/Budapest"], [3]),
    "always and sometimes": ([",,", ",,08:00-18:00"], [3]),
    "of three, with the first alone": ([",2026-01-01,", "2026-01-01,2026-02-01,", ",2025-01-01,"], [4]),
    "with one that is bad itself": ([",,", ",,", ",,"], [3, 4]),
}


@pytest.mark.parametrize("rows, bad", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions(rows: list[str], bad: list[int]) -> None:
    lines, said = read("prefix,price,valid_from,valid_to,timetable\n" + "".join(f"36,1,{row}\n" for row in rows))
    assert [number for number, _ in said] == bad
    assert all("contradicts line 2: both are for the prefix 36 at the same time" in why for _, why in said)
    assert [line.number for line in lines] == [n for n in range(2, len(rows) + 2) if n not in bad]


def test_a_prefix_with_too_many_prices() -> None:
    """Which nobody has, and comparing each with each would take for ever."""
    rows = "".join(f"36,1,{1970 + n}-01-01,{1971 + n}-01-01\n" for n in range(SAME_PREFIX + 2))
    lines, said = read("prefix,price,valid_from,valid_to\n" + rows)
    assert len(lines) == SAME_PREFIX
    assert said == [(SAME_PREFIX + n, f"the prefix 36 has {SAME_PREFIX} prices already") for n in (2, 3)]


FILES: dict[str, tuple[str, str]] = {
    "empty": ("", "line 1: must be a header with the column prefix"),
    "no header": ("36,0.05\n", "line 1: there is no column '36', but prefix, "),
    "no price": ("prefix\n36\n", "line 1: must be a header with the column price"),
    "an unknown column": ("prefix,prize\n", "line 1: there is no column 'prize'"),
    "a column twice": ("prefix,price,price\n", "line 1: the column price stands twice"),
    "a quote that never ends": ('"prefix,price\n', "line 1: unexpected end of data"),
}


@pytest.mark.parametrize("text, why", FILES.values(), ids=FILES)
def test_files_that_are_none(text: str, why: str) -> None:
    with pytest.raises(FileError) as caught:
        read(text)
    assert str(caught.value).startswith(why)


def test_other_packets_and_services() -> None:
    lines, said = read("packet,service,prefix,price\ntin,SMS,36,1\ngold,CALL,37,1\ngold,SMS,38,1\n")
    assert said == [
        (2, "packet: is 'tin', but prices of 'gold' are read"),
        (3, "service: is 'CALL', but prices of 'SMS' are read"),
    ]
    assert [line.price.prefix for line in lines] == ["38"]


def test_a_cell_of_several_lines_and_a_quote_that_never_ends() -> None:
    lines, said = read('name,prefix,price\n"two\nlines",36,1\nx,37,y\n"and,38,1\n39,1\n')
    assert [line.number for line in lines] == [2]
    assert [number for number, _ in said] == [4, 5]


AMOUNTS = st.integers(0, LARGEST * 10**6)
PRICES = st.builds(
    Price,
    prefix=st.text("0123456789", max_size=15),
    valid_from=st.integers(0, 4_000_000_000_000), timetable=st.sampled_from(["", "Sat-Sun Europe/Budapest"]),
    valid_to=st.just(0), price=AMOUNTS, connect_fee=AMOUNTS, minimum=AMOUNTS,
)  # fmt: skip


@settings(max_examples=50)
@given(st.lists(PRICES, max_size=20, unique_by=lambda one: one.prefix))
def test_what_is_written_is_read(prices: list[Price]) -> None:
    out = io.StringIO()
    write_rows("csv", NAMES, [as_row(("gold", "SMS"), one) for one in prices], out)
    lines, said = read(out.getvalue())
    assert said == []
    assert [line.price for line in lines] == sorted(prices)


CELLS = st.lists(st.lists(st.text('0136.,-+eE "x;\0\n\ud800', max_size=6), max_size=4), max_size=6)


@settings(max_examples=200)
@given(CELLS, st.text(max_size=30))
def test_nothing_but_faults(cells: list[list[str]], tail: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerows(cells)
    lines, said = read("prefix,price\n" + out.getvalue() + tail)
    assert all(line.price.price >= 0 for line in lines)
    assert len({number for number, _ in said}) == len(said)
