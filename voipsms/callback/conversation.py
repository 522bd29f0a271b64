"""What a pair of calls is: who is called when, what is said, when it ends. Sans-IO: inputs and the time in, acts out.

Phone to phone: the first is called, hears ringback while the second is called, and both are connected. Without a second
number a menu asks the first one for it, up to `rounds` times. What happens when is a row of `_TABLE` or `_LATE`; what
has no row there means nothing. Whatever is told, a conversation ends in one Close, with every leg that it had.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

from voipsms.callback import wire
from voipsms.callback.acts import Act, Answer, Close, Declined, Extend, Extended, Input, Lost, Open, Opened, Stop, Tick
from voipsms.callback.campaign import Campaign, Prompt
from voipsms.callback.leg import Leg
from voipsms.callback.meter import Due, Meter
from voipsms.callback.plan import LegEnd, Plan, Way
from voipsms.model import Millis
from voipsms.sms.numbers import Kind, read_number

GRACE: Final = 5.0  # seconds: an order to hang up is waited for so long, then the leg counts as ended
LATE: Final = 10.0  # after [callback] ring; the caller itself gives unanswered calls up
SPEECH: Final = 120.0  # longer than what is played in one go: nothing waits for ever
BEEP: Final = 3.0
_FIGURES: Final = frozenset("0123456789")
_TOLD: Final = {"": (), "busy": (Prompt.BUSY,), "no_answer": (Prompt.NO_ANSWER,)}  # else that it can't be reached
_REFUSED: Final = {"no_credit": Prompt.NO_CREDIT, "impossible_number": Prompt.WRONG_NUMBER}  # else that it must not be


class Phase(Enum):
    CALLING = "calling"  # the first one
    MENU = "menu"
    CHECKING = "checking"  # the number that was entered
    CONNECTING = "connecting"  # the second one is called, the first one hears ringback
    TALKING = "talking"
    LEAVING = "leaving"  # last words are said
    ENDING = "ending"  # both are hung up
    OVER = "over"


class Conversation:
    """`began`: when the clock of `now` showed `since`. `calls` numbers legs; `balance` is what the menu says of it."""

    def __init__(
        self,
        plan: Plan,
        campaign: Campaign,
        calls: Iterator[int],
        *,
        since: float,
        began: Millis,
        ring: float,
        longest: float,
        country: str = "",
        balance: tuple[str, ...] = (),
    ) -> None:
        self.plan, self.phase = plan, Phase.CALLING
        self._campaign, self._calls, self._balance, self._country = campaign, calls, balance, country
        self._since, self._began, self._ring = since, began, ring
        self._first = Leg(next(calls), plan.first, Way(""), since)
        self._second: Leg | None = None
        self._legs = [self._first]
        self._acts: list[Act] = []
        self._asked = 0  # requests without an answer yet
        self._meter = Meter(longest)
        self._opened = since  # when credit was granted last
        self._patience: float | None = None  # what it means that it is over depends on the phase
        self._tokens, self._playing = itertools.count(1), 0
        self._digits, self._wrong, self._rounds = "", 0, 0

    # -- the outside

    def begin(self, opened: Opened) -> tuple[Act, ...]:
        """`opened`: for the numbers of the plan."""
        self._meter.grant(opened.seconds)
        self._first.way = opened.ways[0]
        if self.plan.second is not None:
            self._second = Leg(next(self._calls), self.plan.second, opened.ways[1], self._since)
        self._dial(self._first, self._since)
        return self._out()

    def take(self, told: Input, now: float) -> tuple[Act, ...]:
        """`now`: seconds that only grow."""
        if self.phase is not Phase.OVER:
            self._gate(told, now)
            self._settle(now)
        return self._out()

    def next_timeout(self) -> float | None:
        """When a Tick is to come; None: other things come first."""
        if self.phase in (Phase.ENDING, Phase.OVER):
            return self._patience
        due = self._meter.next()
        times = [at for at in (self._patience, due and due[0]) if at is not None]
        return min(times, default=None)

    def legs(self, now: float) -> tuple[LegEnd, ...]:
        """As they stand; what has not ended ends now."""
        return tuple(leg.end(self._moment, now) for leg in self._legs)

    def _moment(self, now: float) -> Millis:
        return Millis(self._began + round((now - self._since) * 1000))

    def _out(self) -> tuple[Act, ...]:
        acts, self._acts = tuple(self._acts), []
        return acts

    def _ask(self, request: Open | Extend) -> None:
        self._asked += 1
        self._acts.append(request)

    # -- what is told

    def _gate(self, told: Input, now: float) -> None:
        """Lets through what is new, and about a call that there is."""
        match told:
            case Tick():
                self._tick(now)
            case Lost():
                for leg in filter(_there, self._legs):
                    leg.gone(now, "caller_lost")
                self._finish(now, "caller_lost")
            case Stop():
                self._finish(now, told.reason)
            case Extended():
                self._asked -= 1
                self._meter.add(told.seconds)
            case Opened() | Declined():
                self._asked -= 1
                self._row(told, now)
            case wire.Answered():
                self._answered(told, now)
            case wire.Ended():
                self._ended(told, now)
            case wire.Digit():
                if told.call == self._first.call:
                    self._row(told, now)
            case wire.Played():
                if told.token == self._playing:
                    self._playing = 0
                    self._row(told, now)

    def _tick(self, now: float) -> None:
        while (at := self.next_timeout()) is not None and at <= now:
            if at == self._patience:
                self._patience = None
                _LATE[self.phase](self, now)
            elif (due := self._meter.next()) is not None:
                _DUE[due[1]](self, now)

    def _answered(self, told: wire.Answered, now: float) -> None:
        leg = self._leg(told.call)
        if leg is None or not leg.answer(now):
            return
        if told.codec:
            self._acts.append(Answer(leg.number, leg.way, self._moment(now)))
            self._row(told, now)
        else:
            self._hang_up(leg, now, "no_audio")

    def _ended(self, told: wire.Ended, now: float) -> None:
        leg = self._leg(told.call)
        if leg is None:
            return
        leg.told(told, now)
        if leg is self._first:
            self._finish(now)
        else:
            self._row(told, now)

    def _row(self, told: Input, now: float) -> None:
        step = _TABLE.get((self.phase, type(told)))
        if step is not None:
            step(self, told, now)

    def _settle(self, now: float) -> None:
        """Closes it once nothing is under way any more."""
        if self.phase is Phase.ENDING and not self._asked and not any(map(_there, self._legs)):
            self.phase, self._patience = Phase.OVER, None
            self._acts.append(Close(self.legs(now)))

    # -- legs

    def _leg(self, call: int) -> Leg | None:
        return next((leg for leg in self._legs if leg.call == call and leg.there), None)

    def _hang_up(self, leg: Leg, now: float, reason: str = "") -> None:
        if leg.there and leg.ended is None:
            leg.hung_up(now, reason)
            self._acts.append(wire.Hangup(leg.call))
            self._patience = now + GRACE

    def _dial(self, leg: Leg, now: float) -> None:
        leg.there, leg.started = True, now
        way = leg.way
        self._acts.append(wire.Dial(leg.call, way.uri, way.account, way.caller, self._ring, way.srtp))
        self._patience = now + self._ring + LATE

    def _silent(self, leg: Leg, now: float) -> None:
        """Nothing was heard of a leg for too long: it is hung up, and if that was done it is gone."""
        if leg.ended is None:
            self._hang_up(leg, now, "no_answer")
        else:
            self._ended(wire.Ended(leg.call, 0), now)

    def _play(self, files: tuple[str, ...], now: float, *, loop: bool = False) -> None:
        self._playing = next(self._tokens)
        self._acts.append(wire.Play(self._first.call, files, self._playing, loop))
        if not loop:
            self._patience = now + SPEECH

    def _finish(self, now: float, reason: str = "") -> None:
        if self.phase is Phase.ENDING:
            return
        self.phase, self._patience = Phase.ENDING, now + GRACE
        for leg in self._legs:
            self._hang_up(leg, now, reason)

    # -- time

    def _extend(self, now: float) -> None:
        self._meter.ask()
        self._ask(Extend())

    def _warn(self, now: float) -> None:
        """Who is connected hears no prompt, so they are parted for its time."""
        self._meter.warn()
        if self.phase is Phase.TALKING and self._second is not None:
            self._acts.append(wire.Part(self._first.call, self._second.call))
            self._play(self._campaign.say(Prompt.BEEP), now)
            self._patience = now + BEEP

    def _cut(self, now: float) -> None:
        self._finish(now, self._meter.why(now))

    def _first_late(self, now: float) -> None:
        self._silent(self._first, now)

    def _second_late(self, now: float) -> None:
        assert self._second is not None
        self._silent(self._second, now)

    def _all_late(self, now: float) -> None:
        for leg in self._legs:
            leg.gone(now, "")

    # -- the first leg

    def _first_answers(self, told: wire.Answered, now: float) -> None:
        self._meter.start(now)
        if self._second is not None:
            self._call(self._second, now)
            return
        self._meter.count(now)
        self._menu((*self._campaign.say(Prompt.WELCOME), *self._balance), Prompt.ENTER_NUMBER, now)

    # -- the menu

    def _menu(self, said: tuple[str, ...], prompt: Prompt, now: float) -> None:
        self.phase, self._digits = Phase.MENU, ""
        self._play((*said, *self._campaign.say(prompt)), now)

    def _listen(self, told: wire.Played, now: float) -> None:
        self._patience = now + self._campaign.menu.patience

    def _digit(self, told: wire.Digit, now: float) -> None:
        menu = self._campaign.menu
        if self._playing:
            self._playing = 0
            self._acts.append(wire.Hush(self._first.call))
        if told.digit == "#":
            self._entered(now)
        elif told.digit == "*":
            self._digits, self._patience = "", now + menu.patience
        elif told.digit in _FIGURES:
            self._digits, self._patience = self._digits + told.digit, now + menu.pause
            if len(self._digits) == menu.digits:
                self._entered(now)
        else:  # A to D
            self._patience = now + menu.patience

    def _nothing_entered(self, now: float) -> None:
        if self._digits:
            self._entered(now)
        else:
            self._leave(now)

    def _entered(self, now: float) -> None:
        number = read_number(self._digits, self._country)
        if number.kind in (Kind.IMPOSSIBLE, Kind.NAME) or number.digits == self.plan.first:
            self._again(Prompt.WRONG_NUMBER, now)
            return
        self.phase, self._patience = Phase.CHECKING, None
        self._second = Leg(next(self._calls), number.digits, Way(""), now)
        self._ask(Open((self.plan.first, number.digits)))

    def _again(self, why: Prompt, now: float) -> None:
        """Nobody was called."""
        self._wrong += 1
        if self._wrong >= self._campaign.menu.tries:
            self._leave(now, why)
        else:
            self._menu(self._campaign.say(why), Prompt.ENTER_NUMBER, now)

    def _leave(self, now: float, *said: Prompt) -> None:
        self.phase = Phase.LEAVING
        self._play(self._campaign.say(*said, Prompt.GOODBYE), now)

    def _left(self, told: wire.Played, now: float) -> None:
        self._finish(now)

    # -- the second leg

    def _checked(self, told: Opened, now: float) -> None:
        assert self._second is not None
        self._meter.grant(told.seconds)
        self._opened, self._second.way = now, told.ways[-1]
        self._rounds += 1
        self._call(self._second, now)

    def _not_allowed(self, told: Declined, now: float) -> None:
        self._again(_REFUSED.get(told.code, Prompt.NOT_ALLOWED), now)

    def _call(self, leg: Leg, now: float) -> None:
        """The credit counts from its answer on; until then [callback] ring bounds what the first leg may cost."""
        self.phase = Phase.CONNECTING
        self._legs.append(leg)
        self._play(self._campaign.say(Prompt.CONNECTING), now)
        self._dial(leg, now)

    def _ringback(self, told: wire.Played, now: float) -> None:
        self._play(self._campaign.say(Prompt.RINGBACK), now, loop=True)

    def _connect(self, told: wire.Answered, now: float) -> None:
        self.phase = Phase.TALKING
        self._meter.count(now)
        self._join(now)

    def _join(self, now: float) -> None:
        assert self._second is not None
        self._playing, self._patience = 0, None
        self._acts.append(wire.Bridge(self._first.call, self._second.call))

    def _beeped(self, told: wire.Played, now: float) -> None:
        self._join(now)

    def _second_gone(self, told: wire.Ended, now: float) -> None:
        assert self._second is not None
        said = _TOLD.get(self._second.reason, (Prompt.NOT_REACHABLE,))
        if self.plan.second is not None:
            self._finish(now) if self.phase is Phase.TALKING else self._leave(now, *said)
            return
        if not self._meter.counting:
            self._meter.count(self._opened)
        if self._rounds >= self._campaign.menu.rounds:
            self._leave(now, *said)
        else:
            self._menu(self._campaign.say(*said), Prompt.ANOTHER_NUMBER, now)


def _there(leg: Leg) -> bool:
    return leg.there


_TABLE: Final[Mapping[tuple[Phase, type[Input]], Callable[[Conversation, Any, float], None]]] = {
    (Phase.CALLING, wire.Answered): Conversation._first_answers,
    (Phase.MENU, wire.Played): Conversation._listen,
    (Phase.MENU, wire.Digit): Conversation._digit,
    (Phase.CHECKING, Opened): Conversation._checked,
    (Phase.CHECKING, Declined): Conversation._not_allowed,
    (Phase.CONNECTING, wire.Played): Conversation._ringback,
    (Phase.CONNECTING, wire.Answered): Conversation._connect,
    (Phase.CONNECTING, wire.Ended): Conversation._second_gone,
    (Phase.TALKING, wire.Played): Conversation._beeped,
    (Phase.TALKING, wire.Ended): Conversation._second_gone,
    (Phase.LEAVING, wire.Played): Conversation._left,
}
# What it means that patience is over. In the other phases somebody else's answer is waited for.
_LATE: Final[Mapping[Phase, Callable[[Conversation, float], None]]] = {
    Phase.CALLING: Conversation._first_late,
    Phase.MENU: Conversation._nothing_entered,
    Phase.CONNECTING: Conversation._second_late,
    Phase.TALKING: Conversation._join,
    Phase.LEAVING: Conversation._finish,
    Phase.ENDING: Conversation._all_late,
}
_DUE: Final[Mapping[Due, Callable[[Conversation, float], None]]] = {
    Due.EXTEND: Conversation._extend,
    Due.WARN: Conversation._warn,
    Due.CUT: Conversation._cut,
}
