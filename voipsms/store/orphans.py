"""Receipts that came before the answer to their submit, kept at hand until that answer comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from voipsms.model import GatewayId, Millis, Receipt
from voipsms.sms.receipt import canonical_id

KEEP = Millis(3_600_000)  # a receipt whose submit is never answered is forgotten: its id may come again
_MOST = 10_000  # beyond, the table still has them, and the sweep finds them


class Orphans:
    """By gateway and id: (row id in tb_receipts, receipt)."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[GatewayId, str], tuple[int, Receipt]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def add(self, orphan_id: int, receipt: Receipt) -> None:
        self._found[receipt.gateway_id, canonical_id(receipt.provider_id)] = (orphan_id, receipt)
        if len(self._found) > _MOST:
            self._found.popitem(last=False)

    def pop(self, gateway_id: GatewayId, forms: Sequence[str], since: int) -> list[tuple[int, Receipt]]:
        """Those with one of these ids and a row id not below `since`."""
        found = [self._found.pop((gateway_id, form), None) for form in forms]
        return [orphan for orphan in found if orphan and orphan[0] >= since]
