from __future__ import annotations

from tests.store.rig import House
from voipsms.model import GatewayId
from voipsms.store.positions import keep_position, position


def test_a_position_is_kept_for_each_gateway(house: House) -> None:
    db = house.db
    assert position(db, GatewayId(7)) == ("", 0)
    for file, offset in (("a", 10), ("b", 5_000_000_000)):
        with db.transaction():
            keep_position(db, GatewayId(7), file, offset)
        assert position(db, GatewayId(7)) == (file, offset)
    assert position(db, GatewayId(8)) == ("", 0)
