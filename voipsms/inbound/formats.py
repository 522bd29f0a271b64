"""The formats that `[gateway] inbound` names, and what each provider wants to hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from voipsms.inbound import clickatell, generic, icewarp, routo
from voipsms.inbound.call import Call, Origin
from voipsms.model import Inbound, Receipt
from voipsms.values import Value


class Format(Value, frozen=True):
    """`taken` and `failed` begin the answer's body; `key`: the parameter that proves who asks."""

    name: str
    message: Callable[[Origin, Call], Inbound]
    receipt: Callable[[Origin, Call], Receipt] | None
    taken: str = "OK"
    failed: str = "ERROR"
    key: str = "key"


FORMATS: Final[dict[str, Format]] = {
    form.name: form
    for form in (
        Format("clickatell", clickatell.message, clickatell.receipt),
        Format("routo", routo.message, routo.receipt),
        Format("icewarp", icewarp.message, None, "True", "False", "pass"),
        Format("generic", generic.message, generic.receipt),
    )
}
