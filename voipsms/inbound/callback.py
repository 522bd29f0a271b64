"""A request for SMS callback (seeds/002, "SMS callback"): Clickatell's MO callback, whose sender may be hidden."""

from __future__ import annotations

import re
from typing import Final

from voipsms.inbound import clickatell
from voipsms.inbound.call import Call, Origin
from voipsms.model import Inbound
from voipsms.values import replace

HIDDEN: Final = b"anonymous"
# `&timestamp` as a browser that takes `&times` for an entity makes it; so it stands in the document, and is copied.
_TIMES: Final = re.compile(rb"(?:\xc3\x97|\xd7)tamp=")


def message(origin: Origin, call: Call) -> Inbound:
    """Raises Malformed."""
    if call.body:
        return clickatell.message(origin, call)
    parameters = dict(call.parameters)
    if not call.word("from"):
        parameters["from"] = (HIDDEN,)
    to = call.octets("to") or b""
    if len(parts := _TIMES.split(to, 1)) == 2 and "timestamp" not in parameters:
        parameters["to"], parameters["timestamp"] = (parts[0],), (parts[1],)
    return clickatell.message(origin, replace(call, parameters=parameters))
