"""Sign-up codes by /api/v1, on a real store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.web.rest_rig import NUMBER, Api, api
from voipsms.settings import GlobalSettings
from voipsms.store.ids import moment, now_millis

PHONE = "36201112233"
SETTINGS = GlobalSettings(uauthverify="alice", uauthverify_each=1)


def code_in(at: Api) -> str:
    found = re.search("[0-9]{6}", at.house.rows("tb_messages", "id, text")[-1][1])
    assert found
    return found[0]


async def test_a_code_proves_its_number_once(tmp_path: Path) -> None:
    async with api(tmp_path, settings=SETTINGS) as at:
        started = await at("POST", "/verifications", {"number": f"+{PHONE}"}, user="root")
        assert (started.status, set(started.object)) == (202, {"id", "expires"})
        assert started.object["expires"] > moment(now_millis())
        assert at.house.rows("tb_messages", "id, target")[-1][1] == PHONE
        path, code = f"/verifications/{started.object['id']}/check", code_in(at)
        wrong = await at("POST", path, {"code": "x"}, user="root")
        assert (wrong.status, wrong.object["code"]) == (403, "wrong_code")
        right = await at("POST", path, {"code": f" {code} "}, user="root")
        assert (right.status, right.object) == (200, {"number": PHONE})
        again = await at("POST", path, {"code": code}, user="root")
        assert (again.status, again.object["code"]) == (403, "wrong_code")


async def test_who_asks_for_too_many(tmp_path: Path) -> None:
    """An address may have ten codes where a number has one."""
    async with api(tmp_path, settings=SETTINGS) as at:
        asked = [{"number": f"3620111223{n}", "address": "203.0.113.9"} for n in range(10)]
        found = [await at("POST", "/verifications", one, user="root") for one in (*asked, {"number": NUMBER})]
        assert [one.status for one in found] == [202] * 11
        for one in (asked[0], {"number": "36301112234", "address": "203.0.113.9"}):
            refused = await at("POST", "/verifications", one, user="root")
            assert (refused.status, refused.object["code"]) == (429, "too_many_codes")
            assert refused.headers["retry-after"] == "3600"


@pytest.mark.parametrize(
    "path, body, user, settings, status, code",
    [
        ("", {"number": PHONE}, "alice", SETTINGS, 403, "not_allowed"),
        (f"/{'0' * 32}/check", {"code": "1"}, "shop", SETTINGS, 403, "not_allowed"),
        ("", {"number": PHONE}, "root", GlobalSettings(), 404, "not_verifying"),
        (f"/{'0' * 32}/check", {"code": "1"}, "root", GlobalSettings(), 404, "not_verifying"),
        ("", {"number": "1"}, "root", SETTINGS, 400, "impossible_number"),
        ("", {"number": "+36201112233", "door": "x"}, "root", SETTINGS, 422, "invalid_request"),
        ("", {"number": PHONE, "address": "x" * 65}, "root", SETTINGS, 422, "invalid_request"),
        ("", {}, "root", SETTINGS, 422, "invalid_request"),
        (f"/{'0' * 32}/check", {"code": "1"}, "root", SETTINGS, 403, "wrong_code"),
        (f"/{'g' * 32}/check", {"code": "1"}, "root", SETTINGS, 422, "invalid_request"),
        (f"/{'0' * 32}/check", {}, "root", SETTINGS, 422, "invalid_request"),
    ],
    ids=["no admin", "no admin checks", "off", "off for checks", "no number", "another field", "endless address",
         "nothing", "unknown", "no id", "no code"],
)  # fmt: skip
async def test_what_is_refused(
    tmp_path: Path, path: str, body: Any, user: str, settings: GlobalSettings, status: int, code: str
) -> None:
    async with api(tmp_path, settings=settings) as at:
        found = await at("POST", f"/verifications{path}", body, user=user)
        assert (found.status, found.object["code"]) == (status, code)
        assert at.house.rows("tb_messages") == []
