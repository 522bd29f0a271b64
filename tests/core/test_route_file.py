"""Routes as CSV: good lines, and what is said of bad ones."""

from __future__ import annotations

import time

import pytest

from voipsms import route_file
from voipsms.csv_table import FileError
from voipsms.route_file import COLUMNS, HEAVIEST, LOWEST_PRIORITY, read
from voipsms.store.routes import NewRoute
from voipsms.values import replace

GATEWAYS, USERS = ("fast", "cheap"), ("alice",)


def faults(text: str, there: tuple[NewRoute, ...] = ()) -> tuple[list[NewRoute], list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    lines = read(text.splitlines(keepends=True), GATEWAYS, USERS, there, lambda number, why: told.append((number, why)))
    return [line.route for line in lines], told


WHOLE = NewRoute(
    "fast", "36", r"36\d+", "HU", "mobile", "alice", "gold", "[A-Z]+", "Mon-Fri 08:00-18:00 Europe/Budapest", 2, 7,
    50_000,
)  # fmt: skip
CELLS = r"fast,36,36\d+,hu,mobile,alice,gold,[A-Z]+,Mon-Fri 08:00-18:00 Europe/Budapest,2,7,0.05,SMS"
GOOD: dict[str, tuple[str, list[NewRoute]]] = {
    "the gateway alone": ("gateway\nfast\n", [NewRoute("fast")]),
    "every column": (",".join(COLUMNS[:-1]) + f"\n{CELLS}\n", [WHOLE]),
    "what `route list` writes": ("id," + ",".join(COLUMNS[:-1]) + f"\n77,{CELLS}\n", [WHOLE]),
    "in any order, in capitals, with spaces": ("Prefix, GATEWAY \n 36 , fast\n", [NewRoute("fast", "36")]),
    "semicolons": ("prefix;gateway\n36;fast\n", [NewRoute("fast", "36")]),
    "empty cells and lines": ("prefix,gateway,weight,ceiling\n\n,fast,,\n", [NewRoute("fast")]),
    "no line feed at the end": ("gateway,prefix\nfast,36\ncheap,44", [NewRoute("fast", "36"), NewRoute("cheap", "44")]),
    "quoted": ('gateway,pattern\nfast,"36\\d{2,4}"\n', [NewRoute("fast", pattern=r"36\d{2,4}")]),
    "the bounds": (
        f"gateway,priority,weight,ceiling\nfast,0,1,0\nfast,{LOWEST_PRIORITY},{HEAVIEST},1000000\n",
        [NewRoute("fast", priority=0, ceiling=0),
         NewRoute("fast", priority=LOWEST_PRIORITY, weight=HEAVIEST, ceiling=10**12)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, routes", GOOD.values(), ids=GOOD)
def test_good(text: str, routes: list[NewRoute]) -> None:
    assert faults(text) == (routes, [])


BAD = {
    "a gateway that is gone": ("gateway", "gone", "gateway: there is no gateway 'gone'"),
    "no gateway": ("gateway,prefix", ",36", "gateway: there is no gateway ''"),
    "no such user": ("gateway,user", "fast,bob", "user: there is no user 'bob'"),
    "prefix": ("gateway,prefix", "fast,+36", "a prefix is up to 15 digits, without +, not '+36'"),
    "pattern": ("gateway,pattern", "fast,(", "pattern: character 1: missing ), unterminated subpattern"),
    "country": ("gateway,country", "fast,HUN", "a country is two letters such as HU, not 'HUN'"),
    "kind": ("gateway,kind", "fast,planet", "kind: must be one of mobile, phone, short, name, not 'planet'"),
    "time": ("gateway,time", "fast,Someday", "time: "),
    "of calls": ("gateway,type", "fast,CALL", "type: must be SMS, as the command says, not 'CALL'"),
    "weight": ("gateway,weight", "fast,0", "weight: must be a whole number from 1 to 1000, not '0'"),
    "priority": ("gateway,priority", "fast,1.5", "priority: must be a whole number from 0 to 1000000, not '1.5'"),
    "digits of another script": ("gateway,weight", "fast,٣", "weight: must be a whole number"),
    "a comma": ("gateway,ceiling", 'fast,"1,5"', "ceiling: must have a decimal point, no comma, not '1,5'"),
    "less than nothing": ("gateway,ceiling", "fast,-1", "ceiling: must not be negative, not '-1'"),
    "several": ("gateway,weight,ceiling", "fast,x,-1", "weight: must be a whole number from 1 to 1000, not 'x'; c"),
    "too few": ("gateway,prefix,weight", "fast,36", "has 2 values, the header 3"),
    "too many": ("gateway,prefix", "fast,36,1", "has 3 values, the header 2"),
    "cut off within quotes": ("gateway,prefix", 'fast,"36', "unexpected end of data"),
}  # fmt: skip


@pytest.mark.parametrize("header, line, why", BAD.values(), ids=BAD)
def test_bad(header: str, line: str, why: str) -> None:
    """The lines around it are good."""
    more = header.count(",") * ","
    routes, told = faults(f"{header}\ncheap{more}\n{line}")
    assert routes == [NewRoute("cheap")]
    assert [number for number, _ in told] == [3]
    assert told[0][1].startswith(why)


def test_the_same_route_twice() -> None:
    text = "gateway,prefix\nfast,36\ncheap,36\nfast,36\ncheap,44\n"
    routes, told = faults(text, there=(NewRoute("cheap", "44"),))
    assert routes == [NewRoute("fast", "36"), NewRoute("cheap", "36")]
    assert told == [(4, "is the same as line 2"), (5, "is there already")]


HEADERS = {
    "empty file": ("", "must be a header with the column gateway"),
    "no gateway": ("prefix\n36\n", "must be a header with the column gateway"),
    "unknown": ("gateway,colour\n", "there is no column 'colour', but gateway, prefix,"),
    "twice": ("gateway,prefix,prefix\n", "the column prefix stands twice"),
    "no header": ("fast,36\n", "there is no column 'fast'"),
    "open quotes": ('"gateway\n', "unexpected end of data"),
}


@pytest.mark.parametrize("text, why", HEADERS.values(), ids=HEADERS)
def test_header(text: str, why: str) -> None:
    with pytest.raises(FileError, match=f"line 1: {why}"):
        faults(text)


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_file, "_COLUMNS", replace(route_file._COLUMNS, most=3))
    with pytest.raises(FileError, match="line 4: a file has 3 lines at the most"):
        faults("gateway,prefix\nfast,1\nfast,2\nfast,3\n")


def test_five_thousand_are_read_at_once() -> None:
    began = time.process_time()
    routes, told = faults("gateway,prefix,pattern\n" + "".join(rf"fast,{n},{n}\d+" + "\n" for n in range(5000)))
    assert (len(routes), told) == (5000, [])
    assert time.process_time() - began < 5
