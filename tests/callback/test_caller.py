"""Calls of caller processes, with real telephones at both ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.callback.rig import SETTINGS, answered, bridged, pool, prompt, take
from tests.peers import sipp
from tests.peers.certificates import authority, server
from tests.peers.kamailio import Kamailio
from tests.peers.ports import free_port
from tests.peers.telephone import Scripted, Telephone, keys, loudest
from tests.smpp.rig import until
from voipsms.callback import callers, wire
from voipsms.settings import CallbackSettings, SipAccount

SAID_BY_A, SAID_BY_B = 440, 1000


@pytest.fixture
def a(tmp_path: Path) -> Iterator[Telephone]:
    with Telephone(tmp_path, "a", SAID_BY_A) as telephone:
        yield telephone


@pytest.fixture
def b(tmp_path: Path) -> Iterator[Telephone]:
    with Telephone(tmp_path, "b", SAID_BY_B) as telephone:
        yield telephone


async def hear_each_other(a: Telephone, b: Telephone) -> None:
    await until(lambda: (a.hears(), b.hears()) == (SAID_BY_B, SAID_BY_A))


# -- two telephones


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_each_hears_the_other(tmp_path: Path, b: Telephone, transport: str) -> None:
    certificate = server(tmp_path, authority(tmp_path))
    with Telephone(tmp_path, "a", SAID_BY_A, certificate=certificate) as a:
        async with pool() as made:
            line, told = await bridged(made, a.uri(transport), b.uri())
            await hear_each_other(a, b)
            line.release()
            await until(lambda: told.ended(1) and told.ended(2))
            for ended in told.all(wire.Ended):
                assert (ended.code, ended.by_us, ended.lost) == (200, True, 0)
                assert ended.sent > 0
                assert ended.received > 0
            await until(lambda: a.told("CALL_CLOSED") == b.told("CALL_CLOSED") == 1)


async def test_parted_again(a: Telephone, b: Telephone) -> None:
    async with pool() as made:
        line, _ = await bridged(made, a.uri(), b.uri())
        await hear_each_other(a, b)
        line.send(wire.Part(1, 2))
        await until(lambda: a.hears() == b.hears() == 0)
        line.send(wire.Bridge(2, 1))
        await hear_each_other(a, b)


async def test_two_pairs_of_one_process_do_not_hear_each_other(tmp_path: Path, a: Telephone, b: Telephone) -> None:
    with Telephone(tmp_path, "c", 620) as c, Telephone(tmp_path, "d", 1336) as d:
        async with pool() as made:
            await bridged(made, a.uri(), b.uri())
            line, told = await take(made)
            line.send(wire.Dial(3, c.uri()))
            line.send(wire.Dial(4, d.uri()))
            await until(lambda: len(told.all(wire.Answered)) == 2)
            line.send(wire.Bridge(3, 4))
            await hear_each_other(a, b)
            await until(lambda: (c.hears(), d.hears()) == (1336, 620))
            assert len(made.pids) == 1


@pytest.mark.parametrize(
    "codecs, chosen", [(("PCMU", "PCMA"), "PCMU"), (("PCMA",), "PCMA"), (("G722", "PCMA"), "G722")]
)
async def test_codecs(tmp_path: Path, codecs: tuple[str, ...], chosen: str) -> None:
    both = ("g711", "g722")
    with Telephone(tmp_path, "a", SAID_BY_A, codecs=both) as a, Telephone(tmp_path, "b", SAID_BY_B, codecs=both) as b:
        async with pool(CallbackSettings(rtp=SETTINGS.rtp, codecs=codecs)) as made:
            _, told = await bridged(made, a.uri(), b.uri())
            assert [event.codec for event in told.all(wire.Answered)] == [chosen, chosen]
            await hear_each_other(a, b)


async def test_two_codecs_at_one_bridge(tmp_path: Path, a: Telephone) -> None:
    with Telephone(tmp_path, "b", SAID_BY_B, codecs=("g722",)) as b:
        async with pool() as made:
            _, told = await bridged(made, a.uri(), b.uri())
            assert sorted(event.codec for event in told.all(wire.Answered)) == ["G722", "PCMA"]
            await hear_each_other(a, b)


SRTP = {
    "optional, with one that has it": ("optional", "srtp"),
    "optional, with one that has none": ("optional", ""),
    "mandatory": ("mandatory", "srtp-mand"),
}


@pytest.mark.parametrize("ours, theirs", SRTP.values(), ids=SRTP)
async def test_srtp(tmp_path: Path, b: Telephone, ours: str, theirs: str) -> None:
    with Telephone(tmp_path, "a", SAID_BY_A, srtp=theirs) as a:
        async with pool() as made:
            line, told = await take(made)
            line.send(wire.Dial(1, a.uri(), srtp=ours))
            line.send(wire.Dial(2, b.uri()))
            await until(lambda: len(told.all(wire.Answered)) == 2)
            line.send(wire.Bridge(1, 2))
            await hear_each_other(a, b)


async def test_srtp_that_the_other_side_has_not(a: Telephone) -> None:
    async with pool() as made:
        line, told = await take(made)
        line.send(wire.Dial(1, a.uri(), srtp="mandatory"))
        await until(lambda: told.ended())
        ended = told.ended()
        assert ended is not None
        assert ended.code == 488


async def test_a_stun_server_that_is_silent(a: Telephone, b: Telephone) -> None:
    settings = CallbackSettings(rtp=SETTINGS.rtp, stun=f"127.0.0.1:{free_port()}")
    async with pool(settings) as made:
        await bridged(made, a.uri(), b.uri())
        await hear_each_other(a, b)


async def test_who_it_is_from(a: Telephone) -> None:
    async with pool() as made:
        line, told = await take(made)
        line.send(wire.Dial(1, a.uri(), caller="sip:+36201234567@example.com"))
        await until(lambda: told.all(wire.Answered))
        assert a.caller() == "sip:+36201234567@example.com"


async def test_hold_and_back(a: Telephone, b: Telephone) -> None:
    """A telephone's re-INVITEs."""
    async with pool() as made:
        _, told = await bridged(made, a.uri(), b.uri())
        await hear_each_other(a, b)
        a.command("hold")
        a.command("resume")
        await hear_each_other(a, b)
        assert told.all(wire.Ended) == []


# -- prompts


async def test_prompts(tmp_path: Path, a: Telephone) -> None:
    async with pool() as made:
        line, told = await answered(made, a.uri())
        files = (prompt(tmp_path, 620, 0.4), prompt(tmp_path, 1336, 0.4))
        line.send(wire.Play(1, files, 7))
        await until(lambda: a.hears() == 620)
        await until(lambda: a.hears() == 1336)
        assert told.all(wire.Played) == []
        await until(lambda: told.all(wire.Played) == [wire.Played(1, 7)])
        line.send(wire.Play(1, (prompt(tmp_path, 1700, 0.1),), 8, loop=True))
        await until(lambda: loudest(a.ear()[-8000:]) == 1700)  # a whole second: some rounds
        assert wire.Played(1, 8) not in told.events
        line.send(wire.Hush(1))
        await until(lambda: a.hears() == 0)
        line.send(wire.Play(1, files, 9))
        await until(lambda: a.hears() == 620)
        line.send(wire.Play(1, files[1:], 10))  # instead of it
        await until(lambda: wire.Played(1, 10) in told.events)
        assert told.all(wire.Played) == [wire.Played(1, 7), wire.Played(1, 10)]


async def test_a_prompt_that_is_not_there(tmp_path: Path, a: Telephone) -> None:
    """It is over at once: a conversation never waits for what can't come."""
    (tmp_path / "no.wav").write_text("no WAV")
    async with pool() as made:
        line, told = await answered(made, a.uri())
        line.send(wire.Play(1, (str(tmp_path / "nowhere.wav"),), 1))
        line.send(wire.Play(1, (str(tmp_path / "no.wav"),), 2))
        line.send(wire.Play(1, (), 3))
        await until(lambda: len(told.all(wire.Played)) == 3)
        line.send(wire.Play(1, (prompt(tmp_path, 620),), 4))
        await until(lambda: a.hears() == 620)


async def test_a_bridge_ends_prompts(tmp_path: Path, a: Telephone, b: Telephone) -> None:
    async with pool() as made:
        line, told = await answered(made, a.uri(), b.uri())
        line.send(wire.Play(1, (prompt(tmp_path, 620),), 1, loop=True))
        await until(lambda: a.hears() == 620)
        line.send(wire.Bridge(1, 2))
        await hear_each_other(a, b)
        assert told.all(wire.Played) == []


# -- digits


async def test_digits_as_events(a: Telephone) -> None:
    async with pool() as made:
        _, told = await answered(made, a.uri())
        a.press("0159*#")
        await until(lambda: told.digits() == "0159*#")
        assert {event.way for event in told.all(wire.Digit)} == {"rfc4733"}


async def test_the_same_digit_twice(a: Telephone) -> None:
    async with pool() as made:
        _, told = await answered(made, a.uri())
        a.press("11")
        await until(lambda: told.digits() == "11")


async def test_digits_as_tones(tmp_path: Path, a: Telephone) -> None:
    async with pool() as made:
        _, told = await answered(made, a.uri())
        a.say(keys(tmp_path / "keys.wav", "1147*0#"))
        await until(lambda: told.digits() == "1147*0#")
        assert {event.way for event in told.all(wire.Digit)} == {"inband"}


async def test_digits_by_info(tmp_path: Path) -> None:
    with Scripted(tmp_path, "telephone-info", digit=5, pause=100) as telephone:
        async with pool() as made:
            _, told = await answered(made, telephone.uri())
            await until(lambda: told.digits() == "5")
            assert told.all(wire.Digit) == [wire.Digit(1, "5", "info")]


async def test_a_digit_that_comes_both_ways(tmp_path: Path, a: Telephone) -> None:
    async with pool() as made:
        _, told = await answered(made, a.uri())
        a.say(keys(tmp_path / "keys.wav", "7", before=0.0))
        a.press("7")
        a.say(keys(tmp_path / "more.wav", "9", before=0.5))
        await until(lambda: told.digits().endswith("9"))
        assert told.digits() == "79"


async def test_bridged_telephones_press_for_each_other(a: Telephone, b: Telephone) -> None:
    async with pool() as made:
        _, told = await bridged(made, a.uri(), b.uri())
        await hear_each_other(a, b)
        a.press("5#")
        await until(lambda: told.digits(1) == "5#")
        await until(lambda: b.pressed() == "5#")
        assert (told.digits(2), a.pressed()) == ("", "")


# -- endings


@pytest.mark.parametrize("who", ["a", "b"])
async def test_one_hangs_up(a: Telephone, b: Telephone, who: str) -> None:
    async with pool() as made:
        line, told = await bridged(made, a.uri(), b.uri())
        await hear_each_other(a, b)
        (a if who == "a" else b).hang_up()
        gone, left = (1, 2) if who == "a" else (2, 1)
        await until(lambda: told.ended(gone))
        ended = told.ended(gone)
        assert ended is not None
        assert (ended.code, ended.by_us) == (200, False)
        assert told.ended(left) is None  # the switchboard decides what becomes of it
        line.send(wire.Hangup(left))
        await until(lambda: told.ended(left))
        await until(lambda: a.told("CALL_CLOSED") == b.told("CALL_CLOSED") == 1)


async def test_hung_up_by_a_scripted_telephone(tmp_path: Path) -> None:
    with Scripted(tmp_path, "telephone-hangs-up", pause=200) as telephone:
        async with pool() as made:
            _, told = await answered(made, telephone.uri())
            await until(lambda: told.ended())
            assert told.events[-1].by_us is False  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [486, 603, 488, 404, 480, 503, 600, 699])
async def test_refused(tmp_path: Path, status: int) -> None:
    with Scripted(tmp_path, "telephone-refuses", status=status) as telephone:
        async with pool() as made:
            line, told = await take(made)
            line.send(wire.Dial(1, telephone.uri()))
            await until(lambda: told.ended())
            ended = told.ended()
            assert ended is not None
            assert (ended.code, ended.by_us, ended.sent) == (status, False, 0)
            assert told.all(wire.Ringing) == [wire.Ringing(1, 180)]


async def test_nobody_answers(tmp_path: Path) -> None:
    with Scripted(tmp_path, "telephone-rings") as telephone:
        async with pool() as made:
            line, told = await take(made)
            line.send(wire.Dial(1, telephone.uri(), ring=0.5))
            await until(lambda: told.ended())
            ended = told.ended()
            assert ended is not None
            assert (ended.code, ended.by_us) == (487, True)
            await until(lambda: "CANCEL sip:" in telephone.messages())


async def test_given_up_while_it_rings(tmp_path: Path) -> None:
    with Telephone(tmp_path, "a", answers="manual") as a:
        async with pool() as made:
            line, told = await take(made)
            line.send(wire.Dial(1, a.uri()))
            await until(lambda: told.all(wire.Ringing))
            line.release()
            await until(lambda: told.ended())
            await until(lambda: a.told("CALL_CLOSED"))


async def test_given_up_before_anybody_has_said_a_word(tmp_path: Path) -> None:
    """RFC 3261 §9.1: no CANCEL may be sent before there is an answer; it goes as soon as there is one."""
    with Telephone(tmp_path, "a", answers="manual") as a:
        a.pause()
        async with pool() as made:
            line, told = await take(made)
            line.send(wire.Dial(1, a.uri()))
            line.send(wire.Hangup(1))
            a.resume()
            await until(lambda: told.ended())
            ended = told.ended()
            assert ended is not None
            assert (ended.code, ended.by_us) == (487, True)
            await until(lambda: a.told("CALL_CLOSED"))


async def test_answered_by_hand(tmp_path: Path, b: Telephone) -> None:
    with Telephone(tmp_path, "a", SAID_BY_A, answers="manual") as a:
        async with pool() as made:
            line, told = await take(made)
            line.send(wire.Dial(1, a.uri()))
            line.send(wire.Dial(2, b.uri()))
            await until(lambda: told.all(wire.Ringing) and told.all(wire.Answered))
            a.answer()
            await until(lambda: len(told.all(wire.Answered)) == 2)
            line.send(wire.Bridge(1, 2))
            await hear_each_other(a, b)


_HEAD = "v=0\r\n      o=- 1 1 IN IP4 127.0.0.1\r\n      s=-\r\n      c=IN IP4 127.0.0.1\r\n      t=0 0\r\n"
ODD = {
    "audio that neither sends nor takes": _HEAD + "      m=audio 9 RTP/AVP 8\r\n      a=inactive",
    "audio refused": _HEAD + "      m=audio 0 RTP/AVP 8",
}


@pytest.mark.parametrize("sdp", ODD.values(), ids=ODD)
async def test_answered_without_audio(tmp_path: Path, sdp: str) -> None:
    with Scripted(tmp_path, "telephone-odd", sdp=sdp) as telephone:
        async with pool() as made:
            line, told = await take(made)
            line.send(wire.Dial(1, telephone.uri()))
            await until(lambda: told.all(wire.Answered))
            assert told.all(wire.Answered) == [wire.Answered(1, "")]
            line.send(wire.Bridge(1, 2))
            line.send(wire.Play(1, (prompt(tmp_path, 620),), 1))
            line.release()
            await until(lambda: told.ended())


# -- processes that fail


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_a_process_fails_in_the_middle(
    tmp_path: Path, a: Telephone, b: Telephone, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls are lost, the others go on; a stopped process is killed."""
    monkeypatch.setattr(callers, "PING", 0.2)
    monkeypatch.setattr(callers, "PATIENCE", 1.5)
    with Scripted(tmp_path, "telephone-answers") as telephone:
        async with pool() as made:
            _, gone = await bridged(made, telephone.uri("c"), telephone.uri("d"))
            await take(made)  # the rest of the first process
            _, told = await bridged(made, a.uri(), b.uri())
            await hear_each_other(a, b)
            first, second = made.pids
            os.kill(first, how)
            await until(lambda: gone.lost)
            assert made.pids == [second]
            assert (told.lost, told.all(wire.Ended)) == (0, [])
            a.press("5")
            await until(lambda: told.digits() == "5")
            await hear_each_other(a, b)


async def test_telephones_of_a_dead_process_hang_up_by_themselves(tmp_path: Path) -> None:
    """They hear nothing any more: what a telephone, or a softswitch, ends calls for."""
    with Telephone(tmp_path, "a", silence=1) as a:
        async with pool() as made:
            await answered(made, a.uri())
            os.kill(made.pids[0], signal.SIGKILL)
            await until(lambda: a.told("CALL_CLOSED"))
        a.kill()  # it waits for the answer to its BYE


# -- accounts

PASSWORD = "secret-1"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Kamailio]:
    with Kamailio(tmp_path, [], {"gw": PASSWORD, "a": "secret-a"}) as proxy:
        yield proxy


def account(proxy: Kamailio, password: str = PASSWORD, transport: str = "udp", expires: int = 600) -> SipAccount:
    registrar = f"sip:127.0.0.1:{proxy.port};transport={transport}"
    return SipAccount(registrar=registrar, user="gw", password=password, expires=expires)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_registered(proxy: Kamailio, transport: str) -> None:
    async with pool(pbx=account(proxy, transport=transport)) as made:
        await until(lambda: made.trouble() == {"pbx": ""})


async def test_a_wrong_password(proxy: Kamailio) -> None:
    async with pool(pbx=account(proxy, "wrong")) as made:
        await until(lambda: made.trouble()["pbx"].startswith("401"))


async def test_a_registrar_that_is_not_there() -> None:
    nowhere = SipAccount(registrar=f"sip:127.0.0.1:{free_port()};transport=tcp", user="gw", password="x")
    async with pool(pbx=nowhere) as made:
        await until(lambda: made.trouble()["pbx"].startswith("503"))


async def test_calls_by_an_account(tmp_path: Path, proxy: Kamailio) -> None:
    """With its credentials, to a telephone that is registered at the same proxy; MESSAGEs go both ways as well."""
    texts: list[wire.Text] = []
    with Telephone(tmp_path, "a", SAID_BY_A, proxy=proxy.port, password="secret-a") as a:
        async with pool(text=texts.append, pbx=account(proxy)) as made:
            await until(lambda: made.trouble() == {"pbx": ""})
            line, told = await answered(made, f"sip:a@127.0.0.1:{proxy.port}", account="pbx")
            assert a.caller().startswith("sip:gw@127.0.0.1")
            line.send(wire.Play(1, (prompt(tmp_path, 620),), 1, loop=True))
            await until(lambda: a.hears() == 620)
            a.hang_up()
            await until(lambda: told.ended())
            assert await made.write("pbx", f"sip:a@127.0.0.1:{proxy.port}", "Your balance is 1.00") == 200
            assert await made.write("pbx", f"sip:nobody@127.0.0.1:{proxy.port}", "Hello") == 404
            rows = [("gw", "a", "b 36201234567", sipp.credentials("a", "secret-a"))]
            sent = await asyncio.to_thread(
                sipp.send, tmp_path, proxy.port, "message-digest", rows, challenge=407, expect=200
            )
            assert sent.successful == 1
            await until(lambda: texts)
            assert (texts[0].account, texts[0].text.strip()) == ("pbx", "b 36201234567")
            assert texts[0].sender.startswith("<sip:a@") or texts[0].sender.startswith("sip:a@")
            assert texts[0].call_id
