"""Mizu's `smsreceive` (seeds/002, "Inbound SMS"): what its parameters say, as smsreceive_… tells where to look."""

from __future__ import annotations

from collections.abc import Callable

from voipsms.connectors.port import Inbox
from voipsms.inbound import generic
from voipsms.inbound.call import NotTaken, Origin, read_call
from voipsms.web.mizu_api import Request
from voipsms.web.query import BadQuery


class SmsReceive:
    """`origin`: the gateway that such texts are said to have come by."""

    def __init__(self, inbox: Inbox, origin: Callable[[], Origin]) -> None:
        self._inbox, self._origin = inbox, origin

    async def __call__(self, request: Request) -> None:
        """Returns after the commit. Raises BadQuery, StoreError."""
        try:
            inbound = generic.message(self._origin(), read_call(request.query, request.content_type, request.body))
        except NotTaken as error:
            raise BadQuery(str(error), error.status) from None
        await self._inbox.inbound(inbound)
