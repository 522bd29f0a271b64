"""Texts of several parts: joined again by their headers, one CDR, one price, final when each part is."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.rig import House, house, ledger_holds, messages, settled
from tests.peers.phone import Phone

GSM_LONG = "0123456789" * 31  # 310 septets: three parts of 153
PAIRS = "😀" * 70  # of two UTF-16 units each, 33 pairs a part

TEXTS: dict[str, tuple[str, str, int, int]] = {  # target, text, parts, data_coding
    "GSM, one part": ("36301112201", "x" * 160, 1, 0),
    "GSM, two parts": ("36301112202", "x" * 161, 2, 0),
    "GSM, three parts": ("36301112203", GSM_LONG, 3, 0),
    "extension alphabet": ("36301112204", "€" * 81, 2, 0),
    "UCS-2, one part": ("36301112205", "ű" * 70, 1, 8),
    "UCS-2, two parts": ("36301112206", "ű" * 71, 2, 8),
    "surrogate pairs": ("36301112207", PAIRS, 3, 8),
    "not delivered": ("36301110005", GSM_LONG, 3, 0),
    "refused": ("36301110001", GSM_LONG, 3, 0),
    "throttled in between": ("36301110002", GSM_LONG, 3, 0),
}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Everything is sent, and settled."""
    with house(tmp_path_factory.mktemp("long"), smsc=("--receipt-delay", "50")) as running:
        with Phone(running.gateway.sip_port, "tcp") as softswitch:
            assert {softswitch.send(target, text).status for target, text, _, _ in TEXTS.values()} == {202}
        settled(running.gateway, len(TEXTS))
        yield running


@pytest.fixture(scope="module")
def cdrs(started: House) -> dict[str, dict[str, Any]]:
    return {cdr["to"]: cdr for cdr in started.gateway.cdrs()}


def taken(submits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [submit for submit in submits if submit["id"]]


def joined(submits: list[dict[str, Any]]) -> bytes:
    """3GPP TS 23.040 §9.2.3.24.1: the parts in their order; all of one reference, each there once."""
    if len(submits) == 1:
        assert submits[0]["esm_class"] == 0
        return bytes.fromhex(submits[0]["user_data"])
    found: dict[int, bytes] = {}
    references = set()
    for submit in submits:
        assert submit["esm_class"] & 0x40
        data = bytes.fromhex(submit["user_data"])
        header, text = data[: data[0] + 1], data[data[0] + 1 :]
        references.add(header[:-1])
        assert header[-2] == len(submits)
        found[header[-1]] = text
    assert len(references) == 1
    assert sorted(found) == list(range(1, len(submits) + 1))
    return b"".join(found[number] for number in sorted(found))


def coded(text: str, data_coding: int) -> bytes:
    return text.encode("utf-16-be") if data_coding == 8 else text.replace("€", "\x1be").encode("ascii")


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "refused"])
def test_what_the_phone_gets_is_what_was_written(name: str, started: House) -> None:
    target, text, parts, data_coding = TEXTS[name]
    started.smsc.saw(parts, target)
    submits = taken(started.smsc.submits(target))
    assert len(submits) == parts
    assert {submit["data_coding"] for submit in submits} == {data_coding}
    assert joined(submits) == coded(text, data_coding)


@pytest.mark.parametrize("name", TEXTS)
def test_one_cdr_and_one_price(name: str, cdrs: dict[str, dict[str, Any]]) -> None:
    target, _, parts, _ = TEXTS[name]
    cdr = cdrs[target]
    failed = {"not delivered": "UNDELIVERABLE", "refused": "REJECTED"}
    assert (cdr["parts"], cdr["state"]) == (parts, failed.get(name, "DELIVERED"))
    assert (cdr["duration"], cdr["price"]) == ((0, 0) if name in failed else (60, Decimal("0.01")))


def test_the_money(started: House) -> None:
    assert started.gateway.balance() == 1_000_000 - (len(TEXTS) - 2) * Decimal("0.01")
    ledger_holds(started.gateway)


def test_as_one_message_payload(started: House) -> None:
    gateway, target = started.gateway, "36301113300"
    gateway.reconfigure({"global": {"smpp_longsms": "payload"}})
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send(target, GSM_LONG).status == 202
    settled(gateway, messages(gateway))
    started.smsc.saw(1, target)
    (submit,) = started.smsc.submits(target)
    assert (submit["esm_class"], bytes.fromhex(submit["user_data"])) == (0, GSM_LONG.encode())
    cdr = next(cdr for cdr in gateway.cdrs() if cdr["to"] == target)
    assert (cdr["parts"], cdr["price"], cdr["state"]) == (3, Decimal("0.01"), "DELIVERED")
