from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.core.house import NUMBER
from tests.core.stage import Carrier, until
from tests.core.world import MOBILE
from tests.web.conftest import Serve
from tests.web.mizu import AUTHKEY, FORM, HOME, JSON, PASSWORD, Desk, desk
from voipsms.errors import StoreError, SubmitRefused
from voipsms.model import Micros, Part, State, Submitted
from voipsms.networks import read_networks
from voipsms.settings import GlobalSettings, HttpSettings
from voipsms.store.accounts import credit_user
from voipsms.web import access, server
from voipsms.web.app import build

OTHER = "36301112299"
SEND = {"anum": NUMBER, "bnum": MOBILE, "message": "Hi"}


def taken(part: Part) -> Submitted:
    return Submitted(f"p{part.message.id}", State.ACCEPTED)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "PENALTY", 0.0)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, Carrier(taken)) as found:
        yield found


def ids(answer: str) -> list[int]:
    word, _, found = answer.partition("\n")[0].partition(" ")
    assert word == "OK"
    return [int(one) for one in found.split(",")]


# -- sending


@pytest.mark.parametrize("entry", ["sms", "sendsms", "SendSMS", " sendsms "])
async def test_sendsms_bills_the_user(at: Desk, entry: str) -> None:
    answer = await at.asks(entry, **SEND)
    assert at.house.rows("tb_messages", "id, door, sender, target, text, price, client_ip") == [
        (*ids(answer), "mizu", NUMBER, MOBILE, "Hi", 50_000, HOME)
    ]
    assert at.house.balance() == 950_000


async def test_asendsms_is_the_admin_s_and_from_whom_it_says(at: Desk) -> None:
    (message,) = ids(await at.asks("asendsms", "root", **SEND | {"anum": "36209999999"}))
    root = at.house.directory.by_name["root"]
    assert at.house.rows("tb_messages", "id, user_id, sender") == [(message, root.id, "36209999999")]
    assert (at.house.balance(), root.balance) == (1_000_000, -50_000)


@pytest.mark.parametrize("entry", ["asendsms", "asendsmssync"])
async def test_asendsms_is_for_admins(at: Desk, entry: str) -> None:
    assert await at.asks(entry, **SEND) == "ERROR not_allowed Not allowed"
    assert at.house.rows("tb_messages") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"from": NUMBER, "to": MOBILE, "txt": "Hi"},
        {"ANUM": NUMBER, "Bnum": MOBILE, "MESSAGE": "Hi"},
        {"anum": NUMBER, "bnun": MOBILE, "message": "Hi"},
        {"bnum": f" +{MOBILE} ", "message": "Hi"},
        {"anum": "44123456789", "bnum": MOBILE, "message": "Hi", "now": 555, "else": "x"},
    ],
    ids=["other names", "any case", "the document's slip", "no sender", "not the user's sender"],
)
async def test_names_of_parameters(at: Desk, fields: dict[str, object]) -> None:
    ids(await at.asks("sendsms", **fields))
    assert at.house.rows("tb_messages", "sender, target, text") == [(NUMBER, MOBILE, "Hi")]


@pytest.mark.parametrize("text", ["Ärger & 100% +1", "Привет 😀", "a\r\nOK 1\tb", "OK"])
@pytest.mark.parametrize("kind", ["", FORM, JSON], ids=["GET", "form", "JSON"])
async def test_every_text_in_every_way(at: Desk, kind: str, text: str) -> None:
    fields = {"apientry": "sendsms", **at.signed(), **SEND, "message": text}
    status, answer = await (at.post(fields, kind) if kind else at.get(fields))
    assert (status, len(ids(answer))) == (200, 1)
    assert at.house.rows("tb_messages", "text") == [(text,)]


async def test_several_targets_are_a_message_each(at: Desk) -> None:
    found = ids(await at.asks("sendsms", **SEND | {"bnum": f"{MOBILE}, {OTHER},,{MOBILE}"}))
    assert len(found) == 2
    assert at.house.rows("tb_messages", "id, target") == [(found[0], MOBILE), (found[1], OTHER)]
    assert at.house.balance() == 900_000


async def test_a_refused_target_stops_no_other(at: Desk) -> None:
    answer = await at.asks("sendsms", **SEND | {"bnum": f"12,{MOBILE},b\tob"})
    assert answer.splitlines()[1:] == [
        "ERROR 12 impossible_number Not a possible phone number",
        "ERROR b ob not_converted Messages to this target are not sent as SMS",
    ]
    assert len(ids(answer)) == 1


@pytest.mark.parametrize(
    "changes, answer",
    [
        ({"bnum": "12"}, "ERROR impossible_number Not a possible phone number"),
        ({"bnum": "12,bob"}, "ERROR 12 impossible_number Not a possible phone number\n"
                             "ERROR bob not_converted Messages to this target are not sent as SMS"),
        ({"message": "x" * 3000}, "ERROR too_long The message would take 20 parts, at most 10 are taken"),
    ],
    ids=["one target", "several", "long text"],
)  # fmt: skip
async def test_refused(at: Desk, changes: dict[str, str], answer: str) -> None:
    assert await at.asks("sendsms", **SEND | changes) == answer
    assert (at.house.rows("tb_messages"), at.house.balance()) == ([], 1_000_000)


async def test_money_ends(at: Desk) -> None:
    targets = ",".join(f"363011122{n:02}" for n in range(25))
    answer = await at.asks("sendsms", **SEND | {"bnum": targets})
    assert len(ids(answer)) == 20
    assert [line.split()[2] for line in answer.splitlines()[1:]] == ["no_credit"] * 5
    assert at.house.balance() == 0


@pytest.mark.parametrize(
    "fields, status, answer",
    [
        ({}, 400, "ERROR bad_request apientry must be one of"),
        ({"apientry": "drop"}, 400, "ERROR bad_request apientry must be one of"),
        ({"bnum": ""}, 400, "ERROR bad_request bnum is missing"),
        ({"message": ""}, 400, "ERROR bad_request message is missing"),
        ({"bnum": ",,"}, 400, "ERROR bad_request bnum must have 1 to 100 numbers"),
        ({"bnum": ",".join(map(str, range(101)))}, 400, "ERROR bad_request bnum must have 1 to 100 numbers"),
        ({"to": MOBILE}, 400, "ERROR bad_request bnum is given twice"),
        ({"authkey": "x"}, 200, "ERROR denied Wrong credentials"),
        ({"authid": "x\nOK 1"}, 200, "ERROR denied Wrong credentials"),
        ({"authpwd": "x"}, 200, "ERROR denied Wrong credentials"),
        ({"authmd5": "x", "authsalt": "y"}, 200, "ERROR denied Wrong credentials"),
    ],
    ids=["no entry", "unknown entry", "no target", "no text", "no target among commas", "too many targets", "doubled",
         "server key", "user", "password", "authmd5"],
)  # fmt: skip
async def test_bad_requests(at: Desk, fields: dict[str, str], status: int, answer: str) -> None:
    good = {"apientry": "sendsms", "authkey": AUTHKEY, "authid": "alice", "authpwd": PASSWORD, **SEND}
    found = await at.get(good | fields if fields else {})
    assert (found[0], found[1][: len(answer)]) == (status, answer)
    assert "\n" not in found[1]
    assert at.house.rows("tb_messages") == []


@pytest.mark.parametrize(
    "method, query, body, kind, status",
    [
        ("PUT", b"", b"", "", 405),
        ("GET", b"apientry=sendsms&message=%ff", b"", "", 400),
        ("POST", b"apientry=sendsms", b"x" * 1025, FORM, 413),
        ("POST", b"apientry=sendsms", b"<a/>", "text/xml", 415),
        ("POST", b"apientry=sendsms", b"[]", JSON, 400),
        ("POST", b"apientry=sendsms", b"apientry=sms", FORM, 400),
    ],
    ids=["method", "charset", "body too long", "kind of body", "JSON", "doubled in query and body"],
)
async def test_requests_that_can_t_be_read(
    tmp_path: Path, method: str, query: bytes, body: bytes, kind: str, status: int
) -> None:
    async with desk(tmp_path, Carrier(taken), http=HttpSettings(authkey=AUTHKEY, body=1024)) as at:
        assert (await at.request(method, query, body, kind))[0] == status


async def test_a_request_whose_peer_goes_away(at: Desk) -> None:
    body = urlencode({"apientry": "sendsms", **at.signed(), **SEND}).encode()
    assert (await at.request("POST", b"", body, FORM, ends=False))[1] == "ERROR bad_request the request ended early"
    assert at.house.rows("tb_messages") == []


async def test_the_store_is_away(at: Desk) -> None:
    at.house.journal.problem = "gone"
    answers = [await at.asks("sendsms", **SEND), (await at.get({"apientry": "balance", **at.signed()}))[1]]
    assert [answer.partition(" ")[2].partition(" ")[0] for answer in answers] == ["unavailable"] * 2


async def test_a_request_that_never_ends(at: Desk, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SLOWEST_REQUEST", 0.1)
    started = await serve(build(dict, paths={"/mvapireq/": at.api}))
    body = urlencode({"apientry": "sendsms", **at.signed(), **SEND}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", started.port)
    writer.write(b"POST /mvapireq/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + body)
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()
    assert at.house.rows("tb_messages") == []


# -- once


async def test_a_salt_is_refused_when_it_comes_again(at: Desk) -> None:
    fields = {"apientry": "sendsms", **at.signed(), **SEND}
    assert len(ids((await at.get(fields))[1])) == 1
    for again in (fields, fields | {"message": "another"}, fields | {"apientry": "balance"}):
        assert await at.get(again) == (200, "ERROR denied Wrong credentials")
    assert at.house.balance() == 950_000


@pytest.mark.parametrize(
    "first", [SEND, SEND | {"bnum": f"{MOBILE},{OTHER}"}, SEND | {"clientid": "c"}, {"apientry": "balance"},
              {"apientry": "rating", "bnum": MOBILE}],
    ids=["a message", "several", "a message with an id", "balance", "rating"],
)  # fmt: skip
@pytest.mark.parametrize(
    "then", [SEND, SEND | {"bnum": f"{MOBILE},{OTHER}"}, SEND | {"clientid": "d"}, {"apientry": "balance"}],
    ids=["a message", "several", "a message with an id", "balance"],
)  # fmt: skip
async def test_a_salt_is_known_to_other_processes(tmp_path: Path, first: dict[str, str], then: dict[str, str]) -> None:
    salt = "the one"
    async with desk(tmp_path, Carrier(taken)) as at:
        status, answer = await at.get({"apientry": "sendsms", **at.signed(salt=salt), **first})
        assert (status, answer[:2]) == (200, "OK")
        before = len(at.house.rows("tb_messages"))
    async with desk(tmp_path, Carrier(taken)) as other:
        answer = (await other.get({"apientry": "sendsms", **other.signed(salt=salt), **then}))[1]
        assert answer.startswith("ERROR ")
        assert len(other.house.rows("tb_messages")) == before


async def test_an_id_of_the_client_gets_its_first_answer(tmp_path: Path) -> None:
    fields: dict[str, object] = {**SEND, "clientid": "order 7", "bnum": f"{MOBILE},{OTHER}"}
    async with desk(tmp_path, Carrier(taken)) as at:
        first = await at.asks("sendsms", **fields)
        assert await at.asks("sendsms", **fields) == first
        ids(await at.asks("sendsms", "root", **fields))
    async with desk(tmp_path, Carrier(taken)) as at:
        assert await at.asks("sendsms", **fields) == first
        assert (len(at.house.rows("tb_messages")), at.house.balance()) == (4, 900_000)


# -- outcomes


async def test_sync_waits_for_the_final_state(at: Desk) -> None:
    answer = await at.asks("sendsmssync", **SEND)
    ((message, state),) = at.house.rows("tb_messages", "id, state")
    assert (answer, state) == (f"OK {message} ACCEPTED", "ACCEPTED")


async def test_sync_of_several_says_what_became_of_each(tmp_path: Path) -> None:
    def script(part: Part) -> Submitted | SubmitRefused:
        return taken(part) if part.message.target == MOBILE else SubmitRefused("no\nway")

    async with desk(tmp_path, Carrier(script)) as at:
        answer = await at.asks("sendsmssync", **SEND | {"bnum": f"{OTHER},{MOBILE},12"})
        found = {target: message for message, target in at.house.rows("tb_messages", "id, target")}
        assert answer.splitlines() == [
            f"OK {found[MOBILE]} ACCEPTED",
            f"ERROR {found[OTHER]} REJECTED refused_by_provider no way",
            "ERROR 12 impossible_number Not a possible phone number",
        ]


async def test_sync_is_bounded(tmp_path: Path) -> None:
    carrier = Carrier(lambda part: None)
    async with desk(tmp_path, carrier) as at:
        answer = await at.asks("sendsmssync", **SEND)
        (((message, _), open_),) = carrier.open.items()
        assert answer == f"OK {message} QUEUED"
        open_.set_result(Submitted("p", State.ACCEPTED))
        await until(lambda: at.house.rows("tb_messages", "state") == [("ACCEPTED",)])


async def test_many_wait_at_once(at: Desk) -> None:
    answers = await asyncio.gather(*(at.asks("sendsmssync", **SEND | {"clientid": n}) for n in range(15)))
    assert {answer.split()[2] for answer in answers} == {"ACCEPTED"}
    assert len({answer.split()[1] for answer in answers}) == 15


# -- asking


async def test_balance(at: Desk) -> None:
    assert await at.asks("balance") == "OK 1.00 EUR"


async def test_balance_is_what_other_processes_left(at: Desk) -> None:
    with at.house.db.transaction():
        credit_user(at.house.db, at.house.ids, "alice", Micros(-250_000))
    assert await at.asks("balance") == "OK 0.75 EUR"


@pytest.mark.parametrize(
    "number, answer",
    [(MOBILE, "OK 0.05 EUR"), ("12", "ERROR impossible_number Not a possible phone number"),
     ("bob", "ERROR impossible_number Not a possible phone number"), ("", "ERROR bad_request bnum is missing")],
    ids=["a number", "none", "a name", "nothing"],
)  # fmt: skip
async def test_rating(at: Desk, number: str, answer: str) -> None:
    assert await at.asks("rating", bnum=number) == answer


# -- receiving

MO = b"apientry=smsreceive&from=36301112233&to=36209999999&message=%E1"


@pytest.mark.parametrize(
    "route, networks, query, address, answer",
    [
        (0, "", MO, HOME, "ERROR disabled smsreceive_route is 0"),
        (4, HOME, MO, HOME, "OK"),
        (4, HOME, MO, "198.51.100.1", "ERROR denied Wrong credentials"),
        (4, HOME, MO + b"&authkey=server-key", "198.51.100.1", "ERROR denied Wrong credentials"),
        (4, "", MO, HOME, "ERROR denied Wrong credentials"),
        (4, "", MO + b"&authkey=wrong", HOME, "ERROR denied Wrong credentials"),
        (4, "", MO + b"&AuthKey=server%2Dkey", HOME, "OK"),
        (4, HOME, b"x=1&ApiEntry=SmsReceive", HOME, "OK"),
    ],
    ids=["off", "address", "another address", "another address with the key", "no key", "wrong key", "key", "any case"],
)  # fmt: skip
async def test_smsreceive(tmp_path: Path, route: int, networks: str, query: bytes, address: str, answer: str) -> None:
    sms = GlobalSettings(smsreceive_route=route, smsreceive_ip=read_networks(networks))
    async with desk(tmp_path, Carrier(taken), sms) as at:
        assert await at.request("POST", query, b"<x>", "text/xml", address=address) == (200, answer)
        assert [(one.query, one.body, one.content_type, one.address) for one in at.phones.seen] == (
            [(query, b"<x>", "text/xml", address)] if answer == "OK" else []
        )


async def test_a_text_that_names_smsreceive_is_a_text(at: Desk) -> None:
    assert ids(await at.asks("sendsms", **SEND | {"message": "apientry=smsreceive"}))
    assert at.phones.seen == []


async def test_smsreceive_that_could_not_be_stored(tmp_path: Path) -> None:
    sms = GlobalSettings(smsreceive_route=4, smsreceive_ip=read_networks(HOME))
    async with desk(tmp_path, Carrier(taken), sms) as at:
        at.phones.fault = StoreError("/var/lib/voipsms.db: disk full")
        assert await at.request("GET", MO) == (200, "ERROR unavailable Temporarily unavailable")


# -- signing up


async def test_uauthverify_needs_the_server_key_alone(tmp_path: Path) -> None:
    async with desk(tmp_path, Carrier(taken), GlobalSettings(uauthverify="alice")) as at:
        asked = {"apientry": "UAuthVerify", "authkey": AUTHKEY, "to": MOBILE}
        for wrong in ({"authkey": "guess"}, {"authkey": ""}):
            assert await at.get(asked | wrong) == (200, "ERROR denied Wrong credentials")
        assert at.house.rows("tb_codes") == []
        status, answer = await at.get(asked)
        assert (status, answer) == (200, f"OK {at.house.rows('tb_codes', 'id')[0][0]}")
        assert at.house.rows("tb_codes", "address") == [(HOME,)]
        code = at.house.rows("tb_messages", "text")[0][0][-6:]
        assert await at.get(asked | {"code": "x"}) == (
            200, "ERROR wrong_code The code is wrong or not valid any more",
        )  # fmt: skip
        assert await at.post(asked | {"code": code}) == (200, "OK")


async def test_uauthverify_that_is_off(at: Desk) -> None:
    asked = {"apientry": "uauthverify", "authkey": AUTHKEY, "to": MOBILE}
    assert await at.get(asked) == (200, "ERROR not_verifying Sign-up codes are not available")
