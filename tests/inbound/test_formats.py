"""What holds of every format, whatever a provider sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.rig import GATEWAY, by_get, coded, origin
from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound.call import LONGEST_ID, LONGEST_NUMBER, LONGEST_TEXT, Malformed
from voipsms.inbound.formats import FORMATS
from voipsms.model import Inbound, Receipt

NAMES = (
    "from", "to", "text", "message", "moMsgId", "udh", "charset", "timestamp", "data", "org", "dest", "dcs", "number",
    "binary", "msgid", "apiMsgId", "status", "mess_id", "err",
)  # fmt: skip
VALUES = (
    st.binary(max_size=20) | st.text(max_size=10).map(lambda text: text.encode("utf-8", "replace"))
    | st.sampled_from([b"361", b"+361", b"0", b"1", b"8", b"050003330201", b"UTF-16BE", b"004", b"DELIVRD", b"\xd8="])
)  # fmt: skip
GOOD: dict[str, str | bytes] = {
    "from": "361", "to": "362", "text": "x", "message": "x", "org": "361", "dest": "362", "number": "361", "msgid": "m",
    "apiMsgId": "m", "mess_id": "m", "status": "4",
}  # fmt: skip


def test_every_choice_of_the_setting_has_one() -> None:
    field = next(field for field in GatewaySettings.__dataclass_fields__.values() if field.name == "inbound")
    assert set(FORMATS) == set(field.metadata["choices"]) - {"none"}


@pytest.mark.parametrize("name", FORMATS)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_anything_is_a_message_or_malformed(name: str, fields: dict[str, bytes]) -> None:
    told: dict[str, str | bytes] = {**GOOD, **fields}
    if name == "icewarp" and "data" not in told:
        told["data"] = "x"
    try:
        inbound = FORMATS[name].message(origin(name), by_get(coded(told)))
    except Malformed:
        return
    _check_message(inbound)


def _check_message(inbound: Inbound) -> None:
    assert inbound.gateway_id == GATEWAY
    assert 1 <= len(inbound.source) <= LONGEST_NUMBER
    assert len(inbound.target) <= LONGEST_NUMBER
    assert len(inbound.provider_id) <= LONGEST_ID
    assert len(inbound.text) <= LONGEST_TEXT
    assert 1 <= inbound.number <= inbound.total <= 255
    assert not (inbound.text and inbound.octets)
    (inbound.text if inbound.total == 1 else inbound.text[1:-1]).encode()


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.receipt])
@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_anything_is_a_receipt_or_malformed(name: str, fields: dict[str, bytes]) -> None:
    read = FORMATS[name].receipt
    assert read is not None
    told: dict[str, str | bytes] = {**{key: value for key, value in GOOD.items() if key != "msgid"}, **fields}
    if name == "generic":
        told.pop("mess_id", None)
        told.setdefault("msgid", "m")
    try:
        receipt = read(origin(name), by_get(coded(told)))
    except Malformed:
        return
    assert isinstance(receipt, Receipt)
    assert 1 <= len(receipt.provider_id) <= LONGEST_ID
    assert receipt.provider_id.isascii()
