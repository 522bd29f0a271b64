"""A request for SMS callback (seeds/002, "SMS callback"): Clickatell's MO callback, whose sender may be hidden."""

from __future__ import annotations

from typing import Final

from voipsms.inbound import clickatell
from voipsms.inbound.call import Call, Origin
from voipsms.model import Inbound
from voipsms.values import replace

HIDDEN: Final = b"anonymous"


def message(origin: Origin, call: Call) -> Inbound:
    """Raises Malformed."""
    if not call.body and not call.word("from"):
        call = replace(call, parameters={**call.parameters, "from": (HIDDEN,)})
    return clickatell.message(origin, call)
