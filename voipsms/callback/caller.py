"""A caller: the child process with pjsua2, so that a fault of a C library never stops a message. Its only importer.

`python -m voipsms.callback.caller` reads orders on standard input and writes events to standard output (wire.py). It
ends when its input does. The library that the wheel carries has room for LEGS calls a process.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import pjsua2 as pj

from voipsms.callback import stun, wire
from voipsms.callback.dtmf import RATE, Detector
from voipsms.callback.pipe import Pipe
from voipsms.values import Value

LEGS: Final = 4  # PJSUA_MAX_CALLS as the wheel was built
FRAME: Final = 20  # milliseconds
LOOK: Final = 20  # milliseconds that the library may wait for something to happen
PARTING: Final = 1.5  # seconds that calls have to end, and then registrations
SAME: Final = 0.4  # seconds within which a digit that comes another way is the same one
_SRTP: Final = {
    "no": pj.PJMEDIA_SRTP_DISABLED,
    "optional": pj.PJMEDIA_SRTP_OPTIONAL,
    "mandatory": pj.PJMEDIA_SRTP_MANDATORY,
}
_TRANSPORTS: Final = (pj.PJSIP_TRANSPORT_UDP, pj.PJSIP_TRANSPORT_TCP, pj.PJSIP_TRANSPORT_TLS)
_HEARD: Final = (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)  # who holds may play music
_NAMES: Final = {"SPEEX": "speex", "ILBC": "iLBC"}  # as the library spells them

Tell = Callable[[Value], None]


class _Ear(pj.AudioMediaPort):  # type: ignore[misc]
    """Listens to one leg for tones; called in the library's own thread."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        super().__init__()
        self._detector, self._heard = Detector(), heard
        kind = pj.MediaFormatAudio()
        kind.init(pj.PJMEDIA_FORMAT_PCM, RATE, 1, FRAME * 1000, 16)
        self.createPort("ear", kind)

    def onFrameReceived(self, frame: Any) -> None:  # noqa: N802 — pjsua2's names
        for digit in self._detector.feed(bytes(frame.buf)):
            self._heard(digit)


class _Voice(pj.AudioMediaPlayer):  # type: ignore[misc]
    def __init__(self, done: Callable[[], None]) -> None:
        super().__init__()
        self._done = done

    def onEof2(self) -> None:  # noqa: N802
        self._done()


class _Leg(pj.Call):  # type: ignore[misc]
    """A call. What the library calls only tells, or leaves a note for the main loop."""

    def __init__(self, account: Any, number: int, caller: Caller) -> None:
        super().__init__(account)
        self.number, self._caller = number, caller
        self.deadline = 0.0  # when it is given up, unanswered
        self.answered = self.by_us = self.over = False
        self.other: _Leg | None = None
        self.voice: Any = None
        self.ear: Any = None
        self.token = 0
        self._packets: tuple[int, ...] = (0, 0, 0)  # RTP: sent, received, lost
        self._digit = ("", "", 0.0)  # the last one: what, which way, when

    # -- told by the library

    def onCallState(self, prm: Any) -> None:  # noqa: N802
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY:
            self._caller.tell(wire.Ringing(self.number, info.lastStatusCode))
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED and not self.answered:
            self.answered = True
            self._caller.later(self._connected)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED and not self.over:
            self.over = True
            ending = self._ending(info)
            self._caller.later(lambda: self._gone(ending))  # after the note of its answer

    def _gone(self, ending: wire.Ended) -> None:
        self._caller.tell(ending)
        self._caller.forget(self)

    def _ending(self, info: Any) -> wire.Ended:
        code = info.lastStatusCode
        if self.answered:
            code = 200
        elif code == 200:  # it was taken with an answer that isn't one to our offer, and given up by the library
            code = 488
        return wire.Ended(self.number, code, info.lastReason, self.by_us, *self._packets)

    def onStreamDestroyed(self, prm: Any) -> None:  # noqa: N802
        """Before the state says that the call has ended; a call that changes its audio has several streams."""
        flow = self.getStreamStat(prm.streamIdx).rtcp
        told = (flow.txStat.pkt, flow.rxStat.pkt, flow.rxStat.loss)
        self._packets = tuple(map(sum, zip(self._packets, told, strict=True)))

    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802
        self._caller.later(self._join)

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        self._press(prm.digit, "info" if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO else "rfc4733")

    # -- in the main loop

    def _connected(self) -> None:
        codec = ""
        with contextlib.suppress(pj.Error):  # it was answered without audio
            codec = self.getStreamInfo(0).codecName if self.audio() is not None else ""
        self._caller.tell(wire.Answered(self.number, codec))

    def audio(self) -> Any:
        """Its end of the conference bridge; None where there is no audio (now)."""
        if self.over:
            return None
        info = self.getInfo()  # kept: `media` belongs to it
        for number, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status in _HEARD and media.audioConfSlot >= 0:
                return self.getAudioMedia(number)
        return None

    def _join(self) -> None:
        """Audio has begun, or changed: connects it to what it shall be connected to."""
        mine = self.audio()
        if mine is None:
            return
        if self.other is not None:
            theirs = self.other.audio()
            if theirs is not None:
                mine.startTransmit(theirs)
                theirs.startTransmit(mine)
            return
        if self.voice is not None:
            self.voice.startTransmit(mine)
        if self.ear is None:
            self.ear = _Ear(lambda digit: self._press(digit, "inband"))
        mine.startTransmit(self.ear)

    def _press(self, digit: str, way: str) -> None:
        now = time.monotonic()
        last, by, at = self._digit
        if way != by and last == digit and now - at < SAME:
            return
        self._digit = (digit, way, now)
        self._caller.tell(wire.Digit(self.number, digit, way))
        if way != "inband":
            self._caller.later(lambda: self._pass_on(digit))

    def _pass_on(self, digit: str) -> None:
        """To who is connected with it: a bank's prompts, say. Tones need nobody to do that."""
        if self.other is not None and self.other.audio() is not None:
            self.other.dialDtmf(digit)  # raises pj.Error where that telephone takes no events

    def bridge(self, other: _Leg) -> None:
        self.hush()
        other.hush()
        self.deafen()
        other.deafen()
        self.other, other.other = other, self
        self._join()

    def part(self) -> None:
        """From the other leg."""
        other = self.other
        if other is None:
            return
        self.other = other.other = None
        mine, theirs = self.audio(), other.audio()
        if mine is not None and theirs is not None:
            mine.stopTransmit(theirs)
            theirs.stopTransmit(mine)
        self._join()
        other._join()

    def play(self, files: tuple[str, ...], token: int, loop: bool) -> None:
        self.hush()
        self.token = token
        # A list that is played for ever tells the end of each round.
        done = (lambda: None) if loop else (lambda: self._caller.later(lambda: self._played(token)))
        voice = _Voice(done)
        how = 0 if loop else pj.PJMEDIA_FILE_NO_LOOP
        try:
            if len(files) == 1:  # without the pause that a list has between its rounds
                voice.createPlayer(files[0], how)
            else:
                voice.createPlaylist(_strings(files), "", how)
        except pj.Error:  # no file, no WAV, or one of less than 0.25 s in a list: it is over at once
            self._caller.tell(wire.Played(self.number, token))
            return
        self.voice = voice
        self._join()

    def _played(self, token: int) -> None:
        if self.voice is not None and self.token == token:
            self.hush()
            self._caller.tell(wire.Played(self.number, token))

    def hush(self) -> None:
        voice, self.voice = self.voice, None
        if voice is not None and (mine := self.audio()) is not None:
            with contextlib.suppress(pj.Error):  # it was not connected yet
                voice.stopTransmit(mine)

    def deafen(self) -> None:
        ear, self.ear = self.ear, None
        if ear is not None and (mine := self.audio()) is not None:
            with contextlib.suppress(pj.Error):
                mine.stopTransmit(ear)

    def end(self) -> None:
        if not self.over:
            self.by_us = True
            with contextlib.suppress(pj.Error):  # it has just ended by itself
                self.hangup(pj.CallOpParam(True))


def _strings(texts: tuple[str, ...]) -> Any:
    """Raises pj.Error for none: the library would end the process."""
    if not texts:
        raise pj.Error
    vector = pj.StringVector()
    for text in texts:
        vector.append(text)
    return vector


class _Account(pj.Account):  # type: ignore[misc]
    def __init__(self, name: str, tell: Tell) -> None:
        super().__init__()
        self._name, self._tell = name, tell
        self.registered = False
        self.writing: list[wire.Write] = []  # MESSAGEs without an answer yet

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        self.registered = prm.code // 100 == 2 and prm.expiration > 0
        self._tell(wire.Registered(self._name, prm.code, prm.reason))

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        """Nobody is here to talk."""
        call, refusal = pj.Call(self, prm.callId), pj.CallOpParam()
        refusal.statusCode = 603
        call.hangup(refusal)

    def onInstantMessage(self, prm: Any) -> None:  # noqa: N802
        call_id = next(
            (line.partition(":")[2].strip() for line in prm.rdata.wholeMsg.splitlines()
             if line.lower().startswith(("call-id:", "i:"))), "",
        )  # fmt: skip
        kind = prm.contentType or "text/plain"
        source = prm.rdata.srcAddress.rpartition(":")[0].strip("[]")
        self._tell(wire.Text(self._name, prm.fromUri, prm.toUri, prm.msgBody, call_id, kind, source))

    def onInstantMessageStatus(self, prm: Any) -> None:  # noqa: N802
        """The library tells it by what was sent; equal ones are as good as each other."""
        for sent in self.writing:
            if (sent.uri, sent.text) == (prm.toUri, prm.msgBody):
                self.writing.remove(sent)
                self._tell(wire.Sent(sent.token, prm.code))
                return


class Caller:
    """The library, its accounts and its calls. Everything but what pjsua2 calls runs in the main thread."""

    def __init__(self, settings: wire.Settings, tell: Tell) -> None:
        self.settings, self.tell = settings, tell
        self._legs: dict[int, _Leg] = {}
        self._accounts: dict[str, Any] = {}
        self._notes: deque[Callable[[], None]] = deque()
        self._endpoint = pj.Endpoint()
        self._endpoint.libCreate()
        self._endpoint.libInit(_library(settings))
        self._transports()
        self._endpoint.libStart()
        self._endpoint.audDevManager().setNullDev()
        self._choose_codecs()

    def later(self, note: Callable[[], None]) -> None:
        self._notes.append(note)

    def forget(self, leg: _Leg) -> None:
        if leg.other is not None:
            leg.other.other = None
        leg.voice = leg.ear = leg.other = None
        self._legs.pop(leg.number, None)

    def _transports(self) -> None:
        config = pj.TransportConfig()
        config.boundAddress = self.settings.bound
        config.publicAddress = self.settings.public
        for kind in _TRANSPORTS:
            with contextlib.suppress(pj.Error):  # a build without TLS
                self._endpoint.transportCreate(kind, config)

    def _choose_codecs(self) -> None:
        wanted = [_NAMES.get(name, name) for name in self.settings.codecs]
        if not wanted:
            return
        for codec in self._endpoint.codecEnum2():
            name = codec.codecId.partition("/")[0]
            rank = 250 - wanted.index(name) if name in wanted else 0
            self._endpoint.codecSetPriority(codec.codecId, rank)

    # -- orders

    def obey(self, order: wire.Order) -> None:
        """What the library won't do costs one call at most, never its neighbours."""
        try:
            self._obey(order)
        except pj.Error as error:
            print(type(order).__name__, error.reason, file=sys.stderr)
            for name in ("call", "one", "two"):
                if (leg := self._legs.get(getattr(order, name, 0))) is not None:
                    leg.end()

    def _obey(self, order: wire.Order) -> None:
        match order:
            case wire.Account():
                self._open(order)
            case wire.Dial():
                self._dial(order)
            case wire.Write():
                self._write(order)
            case wire.Ping():
                self.tell(wire.Pong(order.number))
            case wire.Bridge() | wire.Part():
                self._pair(order)
            case wire.Hangup() | wire.Play() | wire.Hush():
                self._one(order)

    def _pair(self, order: wire.Bridge | wire.Part) -> None:
        one, two = self._legs.get(order.one), self._legs.get(order.two)
        if one is None or two is None:
            return  # one of them has just ended, which has been told
        if isinstance(order, wire.Bridge):
            one.bridge(two)
        elif one.other is two:
            one.part()

    def _one(self, order: wire.Hangup | wire.Play | wire.Hush) -> None:
        leg = self._legs.get(order.call)
        if leg is None:
            return
        match order:
            case wire.Hangup():
                leg.end()
            case wire.Play():
                leg.play(order.files, order.token, order.loop)
            case wire.Hush():
                leg.hush()

    def _open(self, order: wire.Account) -> None:
        config = pj.AccountConfig()
        scheme, _, rest = order.registrar.partition(":")
        config.idUri = f"{scheme}:{order.user}@{rest.partition(';')[0]}"
        if order.expires:
            config.regConfig.registrarUri = order.registrar
            config.regConfig.timeoutSec = order.expires
            config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = 5
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", order.user, 0, order.password))
        config.sipConfig.proxies.append(f"{order.proxy or order.registrar};lr")
        self._media(config, order.srtp)
        account = self._accounts.get(order.name)
        if account is not None:
            account.modify(config)
            return
        account = self._accounts[order.name] = _Account(order.name, self.tell)
        account.create(config)

    def _media(self, config: Any, srtp: str) -> None:
        media = config.mediaConfig
        media.srtpUse, media.srtpSecureSignaling = _SRTP[srtp], 0
        media.transportConfig.port = self.settings.rtp_first
        media.transportConfig.portRange = self.settings.rtp_last - self.settings.rtp_first
        media.transportConfig.boundAddress = self.settings.bound
        media.transportConfig.publicAddress = self.settings.public

    def _nobody(self, srtp: str) -> Any:
        """The account of calls that leave by none."""
        name = f"\0{srtp}"
        if name not in self._accounts:
            config = pj.AccountConfig()
            config.idUri = f"sip:voipsms@{self.settings.public or self.settings.bound or 'localhost'}"
            self._media(config, srtp)
            account = self._accounts[name] = _Account("", self.tell)
            account.create(config)
        return self._accounts[name]

    def _dial(self, order: wire.Dial) -> None:
        account = self._accounts.get(order.account) if order.account else self._nobody(order.srtp)
        if account is None:
            self.tell(wire.Ended(order.call, 0, f"no account {order.account}"))
            return
        leg = self._legs[order.call] = _Leg(account, order.call, self)
        leg.deadline = time.monotonic() + order.ring
        how = pj.CallOpParam(True)
        how.txOption.localUri = order.caller
        try:
            leg.makeCall(order.uri, how)
        except pj.Error as error:
            if not leg.over:
                leg.over = True
                self.tell(wire.Ended(order.call, 0, error.reason))
            self.forget(leg)

    def _write(self, order: wire.Write) -> None:
        account = self._accounts.get(order.account)
        buddy, text = pj.Buddy(), pj.SendInstantMessageParam()
        config = pj.BuddyConfig()
        config.uri = order.uri
        text.content = order.text
        try:
            if account is None:
                raise pj.Error
            buddy.create(account, config)
            buddy.sendInstantMessage(text)
            account.writing.append(order)
        except pj.Error:
            self.tell(wire.Sent(order.token, 0))

    # -- the loop

    def look(self) -> None:
        """Lets the library work, then does what it has left to be done."""
        self._endpoint.libHandleEvents(LOOK)
        while self._notes:
            with contextlib.suppress(pj.Error):  # the call has just ended, which is told by another note
                self._notes.popleft()()
        now = time.monotonic()
        for leg in list(self._legs.values()):
            if leg.deadline and not leg.answered and now > leg.deadline:
                leg.deadline = 0.0
                leg.end()

    def close(self) -> None:
        for leg in list(self._legs.values()):
            leg.end()
        until = time.monotonic() + PARTING
        while self._legs and time.monotonic() < until:
            self.look()
        for leg in list(self._legs.values()):  # a Call that outlives the library takes the process with it
            self.forget(leg)
        self._unregister()
        for account in self._accounts.values():
            account.shutdown()
        self._accounts.clear()
        self._endpoint.libDestroy(pj.PJSUA_DESTROY_NO_RX_MSG)  # nothing is waited for: it would be a second, always

    def _unregister(self) -> None:
        leaving = [one for one in self._accounts.values() if one.registered]
        for account in leaving:
            with contextlib.suppress(pj.Error):  # there is no way to the registrar now
                account.setRegistration(False)
        until = time.monotonic() + PARTING
        while any(one.registered for one in leaving) and time.monotonic() < until:
            self.look()


def _library(settings: wire.Settings) -> Any:
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 1
    config.uaConfig.threadCnt = 0
    config.uaConfig.maxCalls = LEGS
    config.uaConfig.userAgent = "voipsms"
    if settings.stun and not stun.answers(settings.stun):
        print("the STUN server is silent: the local address is shown", file=sys.stderr)
    elif settings.stun:
        config.uaConfig.stunServer.append(settings.stun)
    media = config.medConfig
    media.clockRate = media.sndClockRate = RATE
    media.audioFramePtime = FRAME
    media.ecTailLen = 0
    media.noVad = True
    return config


def main() -> None:
    pipe = Pipe()
    caller = Caller(wire.read_order(pipe.first()), pipe.tell)
    pipe.start()
    pipe.tell(wire.Ready(LEGS))
    while not (pipe.over.is_set() and not pipe.orders):
        caller.look()
        while pipe.orders:
            order = wire.read_order(pipe.orders.popleft())
            if isinstance(order, wire.Quit):
                pipe.over.set()
            else:
                caller.obey(order)
    caller.close()


if __name__ == "__main__":
    main()
