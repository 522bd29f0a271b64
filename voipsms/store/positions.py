"""Up to where a gateway's mo.log has been taken: a row of tb_settings each."""

from __future__ import annotations

import json

from voipsms.model import GatewayId
from voipsms.store.database import Database


def _name(gateway_id: GatewayId) -> str:
    return f"mo.log {gateway_id}"


def position(db: Database, gateway_id: GatewayId) -> tuple[str, int]:
    """Which file, and how many of its octets; an empty name: none yet."""
    rows = db.read("setting", name=_name(gateway_id))
    if not rows:
        return "", 0
    file, offset = json.loads(rows[0][0])
    return str(file), int(offset)


def keep_position(db: Database, gateway_id: GatewayId, file: str, offset: int) -> bool:
    db.write("delete_setting", name=_name(gateway_id))
    db.write("insert_setting", name=_name(gateway_id), value=json.dumps((file, offset)))
    return True
