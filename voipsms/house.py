"""What the parts of a running gateway stand on, in one value for those that are built after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from voipsms.carriers.chat import Ask
from voipsms.config import Config
from voipsms.directory import Directory
from voipsms.dispatch import GatewayQueue
from voipsms.gateway_settings import GatewaySettings
from voipsms.intake import Intake
from voipsms.model import GatewayId
from voipsms.preparation import Preparation
from voipsms.sip.endpoint import Peer, Unreachable
from voipsms.sip.message import Request, Response
from voipsms.store.ids import IdSource
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader
from voipsms.values import Value


async def _nowhere(request: Request, peer: Peer) -> Response:
    raise Unreachable("there is no SIP listener")


class House(Value, frozen=True):
    """`config`, `queues` and `gateways` are those of now; `request` sends by the SIP listeners."""

    config: Callable[[], Config]
    directory: Directory
    journal: Journal
    reader: Reader
    ids: IdSource
    secret: bytes
    intake: Intake
    preparation: Preparation
    queues: Mapping[GatewayId, GatewayQueue]
    gateways: Mapping[GatewayId, GatewaySettings]
    request: Ask = _nowhere
