from __future__ import annotations

from datetime import UTC, datetime

import pytest

from voipsms.connectors.smpp_time import absolute, relative


def millis(*at: int) -> int:
    return round(datetime(*at, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("at, text", [
    (millis(2026, 11, 20, 18, 20, 7), "261120182007000+"),
    (millis(2026, 11, 20, 18, 20, 7) + 950, "261120182007900+"),
    (millis(2027, 1, 1), "270101000000000+"),
])  # fmt: skip
def test_absolute(at: int, text: str) -> None:
    assert absolute(at) == text


START = (2026, 11, 20, 18, 20, 7)


@pytest.mark.parametrize("start, end, text", [
    (START, (2026, 11, 20, 18, 21, 7), "000000000100000R"),
    (START, (2026, 11, 20, 18, 20, 8), "000000000001000R"),
    (START, (2026, 11, 23, 18, 20, 7), "000003000000000R"),
    (START, (2026, 12, 20, 18, 20, 7), "000100000000000R"),
    (START, (2026, 12, 20, 18, 20, 6), "000029235959000R"),
    (START, (2027, 11, 20, 18, 20, 7), "010000000000000R"),
    ((2019, 1, 1), (2026, 7, 6, 4, 3, 2), "070605040302000R"),  # O2's example
    ((2026, 1, 31), (2026, 2, 28), "000100000000000R"),  # a month later is the month's last day
    ((2026, 1, 31), (2026, 3, 1), "000101000000000R"),
    ((2024, 2, 29), (2025, 2, 28), "010000000000000R"),
    (START, START, "000000000001000R"),  # nothing is 0 seconds from now
])  # fmt: skip
def test_relative(start: tuple[int, ...], end: tuple[int, ...], text: str) -> None:
    assert relative(millis(*start), millis(*end)) == text


def test_relative_rounds_up() -> None:
    assert relative(0, 1) == "000000000001000R"
    assert relative(0, 1001) == "000000000002000R"


def test_relative_has_an_end() -> None:
    assert relative(0, 1 << 62) == "981106000000000R"
