"""What a call of Mizu's smsreceive says, and what can't be read of it."""

from __future__ import annotations

import pytest

from tests.inbound.rig import GATEWAY, origin
from tests.web.test_mo import Kept
from voipsms.errors import StoreError
from voipsms.model import Inbound
from voipsms.settings import GlobalSettings
from voipsms.web.mizu_api import Request
from voipsms.web.query import BadQuery
from voipsms.web.smsreceive import SmsReceive

DOCUMENT = b"apientry=smsreceive&from=1234567&to=98765432&message=Works&now=555"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "settings, request_",
    [
        (GlobalSettings(), Request(DOCUMENT, "", b"", "192.0.2.1")),
        (GlobalSettings(), Request(DOCUMENT[:20], FORM, DOCUMENT[20:], "192.0.2.1")),
        (
            GlobalSettings(smsreceive_from="a=,,;,", smsreceive_to="b=,,;,", smsreceive_message="c=,,;,"),
            Request(DOCUMENT[:20], "text/plain", b"a=1234567;b=98765432;c=Works;", "192.0.2.1"),
        ),
    ],
    ids=["GET", "POST", "cut marks"],
)
async def test_a_text_is_kept(settings: GlobalSettings, request_: Request) -> None:
    kept = Kept()
    await SmsReceive(kept, lambda: origin(sms=settings))(request_)
    assert kept.texts == [Inbound(GATEWAY, "1234567", "98765432", "Works")]


@pytest.mark.parametrize(
    "request_, status",
    [
        (Request(b"apientry=smsreceive&from=1&to=2", "", b"", ""), 400),
        (Request(DOCUMENT, FORM, b"from=2", ""), 400),
        (Request(DOCUMENT, "image/png", b"x", ""), 415),
    ],
    ids=["missing", "doubled", "another kind"],
)
async def test_what_can_not_be_read_is_not_kept(request_: Request, status: int) -> None:
    kept = Kept()
    with pytest.raises(BadQuery) as caught:
        await SmsReceive(kept, origin)(request_)
    assert caught.value.http_status == status
    assert kept.texts == []


async def test_a_store_out_of_reach_is_told() -> None:
    kept = Kept()
    kept.out = True
    with pytest.raises(StoreError):
        await SmsReceive(kept, origin)(Request(DOCUMENT, "", b"", ""))
