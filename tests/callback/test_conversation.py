"""Conversations, told as scripts: what is told when, what is done then, what became of each leg."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.callback.script import BEGAN, FIRST, RING, SECOND, SINCE, WAYS, Played, conversation, show
from voipsms.callback import wire
from voipsms.callback.acts import Act, Answer, Close, Declined, Extend, Extended, Input, Lost, Open, Opened, Stop, Tick
from voipsms.callback.conversation import Phase
from voipsms.model import Millis

RINGS = """
    1 ringing |
    5 answered 1 PCMA | play connecting; dial 2 sip:two
    6 played | loop ringback
"""
TALKS = RINGS + "15 answered 2 PCMU | bridge 1 2\n"
GONE = {  # how the second one can end unanswered: code → what the first hears, reason
    486: ("busy", "busy"), 600: ("busy", "busy"), 408: ("no_answer", "no_answer"), 480: ("no_answer", "no_answer"),
    487: ("no_answer", "no_answer"), 603: ("not_reachable", "declined"), 607: ("not_reachable", "declined"),
    488: ("not_reachable", "no_codec"), 606: ("not_reachable", "no_codec"), 404: ("not_reachable", "not_found"),
    604: ("not_reachable", "not_found"), 484: ("not_reachable", "not_found"), 410: ("not_reachable", "not_found"),
    503: ("not_reachable", "failed"), 0: ("not_reachable", "failed"),
}  # fmt: skip

PHONES = {
    "second hangs up": (
        TALKS + "75.2 ended 2 200 | hangup 1 \n 75.3 ended 1 200 | close",
        [f"{FIRST} 0 71 200", f"{SECOND} 5 61 200"],
    ),
    "first hangs up": (
        TALKS + "75 ended 1 200 | hangup 2 \n 75.1 ended 2 200 | close",
        [f"{FIRST} 0 70 200", f"{SECOND} 5 60 200"],
    ),
    "first busy": ("2 ended 1 486 | close", [f"{FIRST} 0 0 486 busy"]),
    "first rings out": ("45 ended 1 0 by_us | close", [f"{FIRST} 0 0 487 no_answer"]),
    "first answers twice": (RINGS + "7 answered 1 PCMA |", None),
    "stopped while the first rings": (
        "2 stop shutdown | hangup 1 \n 2.1 ended 1 487 by_us | close", [f"{FIRST} 0 0 0 shutdown"],
    ),
    "first has no audio": (
        "5 answered 1 | hangup 1 \n 5.1 ended 1 200 | close",
        [f"{FIRST} 0 0 200 no_audio"],
    ),
    "first is never heard of": (
        """        55 tick | hangup 1
        60 tick | close""",
        [f"{FIRST} 0 0 0 no_answer"],
    ),
    "first hangs up while the second rings": (
        RINGS + "9 ended 1 200 | hangup 2 \n 9.2 ended 2 487 by_us | close",
        [f"{FIRST} 0 4 200", f"{SECOND} 5 0 0 cancelled"],
    ),
    "second answers as it is hung up": (
        RINGS + "9 ended 1 200 | hangup 2 \n 9.1 answered 2 PCMA | \n 9.2 ended 2 200 | close",
        [f"{FIRST} 0 4 200", f"{SECOND} 5 0 0 cancelled"],
    ),
    "second has no audio": (
        RINGS
        + """9 answered 2 | hangup 2
        9.1 ended 2 200 by_us | play not_reachable goodbye
        12 played | hangup 1
        12.1 ended 1 200 | close""",
        [f"{FIRST} 0 7 200", f"{SECOND} 5 0 200 no_audio"],
    ),
    "nobody says that a leg has ended": (
        TALKS + "75 ended 2 200 | hangup 1 \n 80 tick | close",
        [f"{FIRST} 0 70 200", f"{SECOND} 5 60 200"],
    ),
    "first hangs up during last words": (
        RINGS + "9 ended 2 486 | play busy goodbye \n 10 ended 1 200 | close",
        [f"{FIRST} 0 5 200", f"{SECOND} 5 0 486 busy"],
    ),
    "stopped": (
        TALKS + "20 stop shutdown | hangup 1; hangup 2 \n 20.1 ended 1 200 | \n 20.2 ended 2 200 | close",
        [f"{FIRST} 0 15 200 shutdown", f"{SECOND} 5 5 200 shutdown"],
    ),
    "the caller dies": (
        TALKS + "20 lost | close",
        [f"{FIRST} 0 15 200 caller_lost", f"{SECOND} 5 5 200 caller_lost"],
    ),
    "the caller dies while the first rings": (
        "2 lost | close", [f"{FIRST} 0 0 0 caller_lost"],
    ),
    "the caller dies while it hangs up": (
        TALKS + "75 ended 1 200 | hangup 2 \n 76 lost | close",
        [f"{FIRST} 0 70 200", f"{SECOND} 5 60 200"],
    ),
    "more credit, then none": (
        TALKS
        + """35 tick | extend
        36 extended 60 |
        95 tick | extend
        96 extended 0 |
        105 tick | part 1 2; play beep
        105.3 played | bridge 1 2
        135 tick | hangup 1; hangup 2
        135.1 ended 1 200 |
        135.1 ended 2 200 | close""",
        [f"{FIRST} 0 130 200 no_credit", f"{SECOND} 5 120 200 no_credit"],
    ),
    "the beep is not heard of": (
        TALKS + "35 tick | extend \n 36 extended 0 | \n 45 tick | part 1 2; play beep \n 48 tick | bridge 1 2",
        None,
    ),
    "the second hangs up during the beep": (
        TALKS + "35 tick | extend \n 36 extended 0 | \n 45 tick | part 1 2; play beep \n 45.1 ended 2 200 | hangup 1",
        None,
    ),
    "nobody says whether there is more credit": (
        TALKS
        + """35 tick | extend
        75 tick | hangup 1; hangup 2
        75.1 ended 1 200 |
        75.1 ended 2 200 |
        80 tick |
        99 extended 60 | close""",
        [f"{FIRST} 0 70 200 no_credit", f"{SECOND} 5 60 200 no_credit"],
    ),
}  # fmt: skip
PHONES |= {
    f"second {code}": (
        RINGS + f"9 ended 2 {code} | play {said} goodbye \n 12 played | hangup 1 \n 12 ended 1 200 | close",
        [f"{FIRST} 0 7 200", f"{SECOND} 5 0 {code} {reason}"],
    )
    for code, (said, reason) in GONE.items()
}
PHONES |= {
    f"first {code}": (f"2 ended 1 {code} | close", [f"{FIRST} 0 0 {code} {reason}"])
    for code, (_, reason) in GONE.items()
}


@pytest.mark.parametrize(("script", "ends"), PHONES.values(), ids=PHONES)
def test_phone_to_phone(script: str, ends: list[str] | None) -> None:
    played = Played(conversation())
    assert [show(act) for act in played.acts] == ["dial 1 sip:one"]
    played.play(script)
    assert ends is None or played.ends == ends


MENU = """
    5 answered 1 PCMA | play welcome balance enter_number
"""
DIALS = f"""
    10 played |
    12 digits 06209876543# | open {FIRST} {SECOND}
    12.1 opened 600 | play connecting; dial 2 sip:two
"""
PROMPTS = {
    "a call": (
        MENU
        + DIALS
        + """20 answered 2 PCMA | bridge 1 2
        50 ended 2 200 | play another_number
        52 played |
        62 tick | play goodbye
        63 played | hangup 1
        63 ended 1 200 | close""",
        [f"{FIRST} 0 58 200", f"{SECOND} 12.1 30 200"],
    ),
    "hangs up while talking": (
        MENU + DIALS + "20 answered 2 PCMA | bridge 1 2 \n 50 ended 1 200 | hangup 2 \n 50.1 ended 2 200 | close",
        [f"{FIRST} 0 45 200", f"{SECOND} 12.1 30 200"],
    ),
    "hangs up in the menu": (MENU + "7 digits 06 | hush \n 8 ended 1 200 | close", [f"{FIRST} 0 3 200"]),
    "hangs up while the number is checked": (
        MENU + f"10 digits 06209876543# | hush; open {FIRST} {SECOND} \n 11 ended 1 200 | \n 12 opened 60 | close",
        [f"{FIRST} 0 6 200"],
    ),
    "a digit stops the prompt": (
        MENU + f"6 digits 06209 | hush \n 6.5 played | \n 10 tick | open {FIRST} 06209", None,
    ),
    "a digit of nobody": (MENU + "9 played | \n 10 digit 2 5 | \n 19 tick | play goodbye", None),
    "credit ends, and is there for another number": (
        f"""5 answered 1 PCMA | play welcome balance enter_number
        25 tick | extend
        25 extended 0 |
        26 digits 06209876543# | hush; open {FIRST} {SECOND}
        26 opened 60 | play connecting; dial 2 sip:two
        30 answered 2 PCMA | bridge 1 2
        50 tick | extend""",
        None,
    ),
    "busy, then another": (
        MENU
        + DIALS
        + f"""15 ended 2 486 | play busy another_number
        16 digits 003612345678# | hush; open {FIRST} 3612345678
        16 opened 90 | play connecting; dial 3 sip:two
        17 ended 2 200 |
        20 answered 3 PCMA | bridge 1 3
        60 ended 3 200 | play another_number
        61 ended 1 200 | close""",
        [f"{FIRST} 0 56 200", f"{SECOND} 12.1 0 486 busy", "3612345678 16 40 200"],
    ),
    "the star clears": (
        MENU + f"9 played | \n 10 digits 0699*06209876543# | open {FIRST} {SECOND}", None,
    ),
    "digits without an end": (
        MENU + f"9 played | \n 10 digits 0620987 | \n 12 digits 6543 | \n 16 tick | open {FIRST} {SECOND}", None,
    ),
    "more digits than a number has": (
        MENU + f"9 played | \n 10 digits {'9' * 20} | play wrong_number enter_number", None,
    ),
    "digits that no telephone has": (MENU + "9 played | \n 10 digits AD | \n 20 tick | play goodbye", None),
    "digits of the other one": (
        MENU + DIALS + "20 answered 2 PCMA | bridge 1 2 \n 21 digit 2 5 | \n 22 digits 99# |", None,
    ),
    "one's own number": (MENU + "9 played | \n 10 digits 06301234567# | play wrong_number enter_number", None),
    "three wrong ones": (
        MENU
        + """8 digits # | hush; play wrong_number enter_number
        9 digits 12# | hush; play wrong_number enter_number
        10 digits 0# | hush; play wrong_number goodbye
        12 played | hangup 1
        12.1 ended 1 200 | close""",
        [f"{FIRST} 0 7 200"],
    ),
    "a number that must not be called": (
        MENU + f"9 digits 112# | hush; open {FIRST} 112 \n 9 declined blocked | play not_allowed enter_number", None,
    ),
    "a number that costs too much": (
        MENU + f"9 digits 112# | hush; open {FIRST} 112 \n 9 declined no_credit | play no_credit enter_number", None,
    ),
    "silence": (
        MENU + "9 played | \n 19 tick | play goodbye \n 21 played | hangup 1 \n 21 ended 1 200 | close",
        [f"{FIRST} 0 16 200"],
    ),
    "last words are not heard of": (MENU + "9 played | \n 19 tick | play goodbye \n 139 tick | hangup 1", None),
    "credit ends in the menu": (
        """        5 answered 1 PCMA | play welcome balance enter_number
        25 tick | extend
        25 extended 0 |
        35 tick |
        65 tick | hangup 1
        65 ended 1 200 | close""",
        [f"{FIRST} 0 60 200 no_credit"],
    ),
    "credit counts from the second answer": (
        f"""        5 answered 1 PCMA | play welcome balance enter_number
        24 played |
        24 digits 06209876543# | open {FIRST} {SECOND}
        25 opened 60 | play connecting; dial 2 sip:two
        69 answered 2 PCMA | bridge 1 2
        89 tick | extend""",
        None,
    ),
    "credit counts from the grant when the second does not answer": (
        f"""        5 answered 1 PCMA | play welcome balance enter_number
        24 digits 06209876543# | hush; open {FIRST} {SECOND}
        25 opened 60 | play connecting; dial 2 sip:two
        60 ended 2 480 | play no_answer another_number
        60 late | extend
        60 extended 0 |
        60 late |
        85 tick | hangup 1""",
        None,
    ),
    "the caller dies in the menu": (MENU + "7 lost | close", [f"{FIRST} 0 2 200 caller_lost"]),
}  # fmt: skip


@pytest.mark.parametrize(("script", "ends"), PROMPTS.values(), ids=PROMPTS)
def test_prompts(script: str, ends: list[str] | None) -> None:
    played = Played(conversation(None), seconds=600 if script.startswith(MENU) else 60)
    assert [show(act) for act in played.acts] == ["dial 1 sip:one"]
    played.play(script)
    assert ends is None or played.ends == ends


def test_five_numbers() -> None:
    played = Played(conversation(None), seconds=600)
    played.play(MENU)
    for call in range(2, 6):
        played.play(f"""{call * 10} digits 06209876543# | hush; open {FIRST} {SECOND}
            {call * 10} opened 600 | play connecting; dial {call} sip:two
            {call * 10 + 1} ended {call} 486 | play busy another_number""")
    played.play(f"""90 digits 06209876543# | hush; open {FIRST} {SECOND}
        90 opened 600 | play connecting; dial 6 sip:two
        91 ended 6 486 | play busy goodbye
        93 played | hangup 1
        93 ended 1 200 | close""")
    assert len(played.closed[0]) == 6


def test_the_longest_call() -> None:
    played = Played(conversation(longest=60), seconds=600)
    played.play("5 answered 1 PCMA | play connecting; dial 2 sip:two")
    played.play("""9 answered 2 PCMA | bridge 1 2
        35 tick | part 1 2; play beep
        35.3 played | bridge 1 2
        65 tick | hangup 1; hangup 2
        65 ended 1 200 |
        65 ended 2 200 | close""")
    assert played.ends == [f"{FIRST} 0 60 200 limit", f"{SECOND} 5 56 200 limit"]


def test_how_it_is_dialled() -> None:
    played = Played(conversation())
    played.play(RINGS)
    assert [act for act in played.acts if isinstance(act, wire.Dial)] == [
        wire.Dial(1, "sip:one", "pbx", "3612345", RING, "no"),
        wire.Dial(2, "sip:two", "", "", RING, "no"),
    ]


def test_who_has_answered_is_told() -> None:
    played = Played(conversation())
    played.play(TALKS)
    assert [act for act in played.acts if isinstance(act, Answer)] == [
        Answer(FIRST, WAYS[0], Millis(BEGAN + 5000)),
        Answer(SECOND, WAYS[1], Millis(BEGAN + 15000)),
    ]


def test_what_the_other_side_says_is_kept() -> None:
    played = Played(conversation())
    played.take(wire.Ended(1, 503, "Out of lines " * 100), SINCE + 1)
    (end,) = played.closed[0]
    assert (end.way, end.comment) == (WAYS[0], ("Out of lines " * 100)[:100])


# -- anything may come at any time

CALLS = st.integers(1, 4)
ANYTHING = st.one_of(
    st.builds(wire.Ringing, CALLS),
    st.builds(wire.Answered, CALLS, st.sampled_from(["", "PCMA"])),
    st.builds(wire.Ended, CALLS, st.sampled_from([0, 200, 404, 486, 487, 503]), by_us=st.booleans()),
    st.builds(wire.Digit, st.integers(1, 2), st.sampled_from("0123456789*#A"), st.just("inband")),
    st.builds(wire.Played, st.just(1), st.integers(1, 12)),
    st.just(Tick()),
)
RARE = st.sampled_from([Lost(), Stop("shutdown")])
ANSWERS = st.one_of(st.builds(Opened, st.integers(0, 120), st.just(WAYS[:2])), st.just(Declined("blocked")))
NUMBERS = st.sampled_from(["06209876543#", "112#", "1#"]).map(
    lambda typed: [wire.Digit(1, one, "info") for one in typed]
)
Step = tuple[list[Input | str], float, Opened | Declined, int]
STEPS = st.lists(
    st.tuples(
        st.one_of(ANYTHING.map(lambda told: [told]), NUMBERS, st.just(["answer"]), RARE.map(lambda told: [told])),
        st.floats(0, 50),
        ANSWERS,
        st.integers(0, 60),
    ),
    max_size=60,
)


class Held:
    """Watches what a conversation does, and answers what it asks."""

    def __init__(self, second: bool) -> None:
        self.made = conversation(SECOND if second else None)
        self.there: set[int] = set()  # calls
        self.asked: list[Open | Extend] = []
        self.dialled: list[int] = []
        self.answered: dict[int, float] = {}
        self.ended: dict[int, float] = {}
        self.closed: list[Close] = []
        self.watch(self.made.begin(Opened(60, WAYS[:2])), SINCE)

    def watch(self, acts: tuple[Act, ...], now: float) -> None:
        for act in acts:
            assert not self.closed, "it goes on after its end"
            match act:
                case wire.Dial():
                    assert act.call not in self.there
                    self.there.add(act.call)
                    self.dialled.append(act.call)
                case wire.Hangup():
                    assert act.call in self.there
                    assert act.call not in self.ended
                    self.ended[act.call] = now
                case wire.Play() | wire.Hush():
                    assert act.call in self.there
                case wire.Bridge() | wire.Part():
                    assert {act.one, act.two} <= self.there
                case Open() | Extend():
                    self.asked.append(act)
                case Close():
                    assert not self.asked
                    self.closed.append(act)

    def take(self, told: Input, now: float) -> None:
        match told:
            case wire.Ended() if told.call in self.there:
                self.there.remove(told.call)
                self.ended.setdefault(told.call, now)
            case Lost():
                self.ended |= {call: now for call in self.there if call not in self.ended}
                self.there.clear()
            case wire.Answered() if told.call in self.there and told.call not in self.ended:
                self.answered.setdefault(told.call, now)
        self.watch(self.made.take(told, now), now)

    def seconds(self) -> list[int]:
        """Of the legs that were dialled."""
        return [math.ceil(round(self.ended[one] - self.answered.get(one, self.ended[one]), 3)) for one in self.dialled]


@settings(max_examples=300, deadline=None)
@given(st.booleans(), STEPS)
def test_anything_ends_in_one_close(second: bool, steps: list[Step]) -> None:
    held, now = Held(second), SINCE
    for told, pause, granted, more in steps:
        now += pause
        for one in told:
            if not isinstance(one, str):
                held.take(one, now)
            elif held.asked:
                held.take(granted if isinstance(held.asked.pop(0), Open) else Extended(more), now)
    held.take(Stop("enough"), now)
    while held.asked:
        held.take(Declined("late") if isinstance(held.asked.pop(0), Open) else Extended(1), now)
    while (at := held.made.next_timeout()) is not None:
        now = max(now, at)
        held.take(Tick(), now)
    (close,) = held.closed
    assert held.made.phase is Phase.OVER
    assert close.legs[0].number == FIRST
    assert [leg.seconds for leg in close.legs] == held.seconds()
    assert all(leg.code == 200 for leg in close.legs if leg.seconds)
    held.take(wire.Answered(1, "PCMA"), now + 1)
