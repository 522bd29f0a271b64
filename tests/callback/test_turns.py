"""Turns: users one after the other."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.callback.turns import Turns
from voipsms.model import UserId


async def served(turns: Turns, waiting: str) -> str:
    """Users by letter, in the order in which they ask; returns them in the order in which they enter."""
    order = ""

    async def one(user: str) -> None:
        nonlocal order
        await turns.enter(UserId(ord(user)))
        order += user
        await asyncio.sleep(0)
        turns.leave()

    async with asyncio.TaskGroup() as group:
        for user in waiting:
            group.create_task(one(user))
    assert (turns.inside, turns.waiting) == (0, 0)
    return order


async def test_each_user_in_turn() -> None:
    assert await served(Turns(lambda: 1), "aaaabbcc") == "a" + "abcabca"


async def test_as_many_as_there_may_be() -> None:
    turns = Turns(lambda: 2)
    assert await turns.enter(UserId(1))
    assert await turns.enter(UserId(1))
    third = asyncio.create_task(turns.enter(UserId(1)))
    await asyncio.sleep(0)
    assert (turns.inside, turns.waiting, third.done()) == (2, 1, False)
    turns.leave()
    assert await third


async def test_who_goes_away_takes_no_turn() -> None:
    turns = Turns(lambda: 1)
    await turns.enter(UserId(1))
    waiting = [asyncio.create_task(turns.enter(UserId(user))) for user in (2, 2, 3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    turns.leave()  # to the second one of 2, which is told and cancelled in the same step
    waiting[1].cancel()
    assert await waiting[2]
    turns.leave()
    assert (turns.inside, turns.waiting) == (0, 0)


async def test_closed() -> None:
    turns = Turns(lambda: 1)
    await turns.enter(UserId(1))
    waiting = asyncio.create_task(turns.enter(UserId(2)))
    await asyncio.sleep(0)
    turns.close()
    assert await waiting is False
    assert await turns.enter(UserId(3)) is False
    turns.leave()
    assert turns.inside == 0


@settings(max_examples=100, deadline=None)
@given(st.text("abcd", max_size=40), st.integers(1, 5))
def test_nobody_waits_longer_than_all_others_once(waiting: str, most: int) -> None:
    order = asyncio.run(served(Turns(lambda: most), waiting))
    assert sorted(order) == sorted(waiting)
    for user in set(waiting):
        places = [place for place, one in enumerate(order) if one == user]
        gaps = [after - before for before, after in itertools.pairwise(places)]
        assert all(gap <= len(set(waiting)) + most for gap in gaps)
