"""What the paths of /api/v1 do, whoever serves them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from voipsms.cancelling import Cancelling
from voipsms.directory import Account, Directory
from voipsms.dispatch import GatewayQueue
from voipsms.errors import Refused, StoreError, Unavailable
from voipsms.intake import Intake
from voipsms.model import GatewayId, Millis, State, Submission, UserType
from voipsms.money import decimal
from voipsms.store import pages, story
from voipsms.store.ids import IdSource, moment
from voipsms.store.journal import Journal
from voipsms.store.pages import Wanted
from voipsms.store.reader import Reader
from voipsms.store.story import Story
from voipsms.values import replace
from voipsms.verifying import Verifying
from voipsms.web.rest import views
from voipsms.web.rest.idempotency import Once, Request
from voipsms.web.rest.problems import NOT_FOUND, Answer, Problem, answer, of_refusal
from voipsms.web.rest.schemas import Batch, Code, Message, Messages, SignUp, Text, millis
from voipsms.web.rest.sight import sees, whose

DOOR = "rest"
_LARGEST_ID = (1 << 63) - 1


class Desk:
    """Every method raises Problem, Refused or StoreError where it doesn't answer."""

    def __init__(
        self,
        intake: Intake,
        journal: Journal,
        reader: Reader,
        ids: IdSource,
        directory: Directory,
        queues: Mapping[GatewayId, GatewayQueue],
        cancelling: Cancelling,
        verifying: Verifying,
    ) -> None:
        self._intake = intake
        self._reader = reader
        self._directory = directory
        self._queues = queues
        self._cancelling = cancelling
        self._verifying = verifying
        self._once = Once(journal, ids)

    # -- sending

    async def send(self, account: Account, address: str, asked: Messages, request: Request | None) -> Answer:
        targets, several = ([asked.to], False) if isinstance(asked.to, str) else (asked.to, True)
        submissions = [submission(account, address, asked, to) for to in targets]
        said = await self._submit(submissions, several, request)
        if said.status != 202:
            return said
        location = ("Location", f"/api/v1/messages/{json.loads(said.body)['id']}")
        return replace(said, headers=(*said.headers, location))

    async def send_batch(self, account: Account, address: str, batch: Batch, request: Request | None) -> Answer:
        submissions = [submission(account, address, one, one.to) for one in batch.messages]
        return await self._submit(submissions, True, request)

    async def _submit(self, submissions: Sequence[Submission], several: bool, request: Request | None) -> Answer:
        async def work() -> Answer:
            keyed = submissions if request is None else [
                _with_key(one, request.ingress_key(n)) for n, one in enumerate(submissions)
            ]  # fmt: skip
            return await (self._all(keyed) if several else self._one(keyed[0]))

        return await (work() if request is None else self._once(request, work))

    async def _one(self, asked: Submission) -> Answer:
        """Raises Problem."""
        try:
            taken = await self._intake.submit(asked)
        except Refused as refusal:
            raise of_refusal(refusal) from refusal
        return answer(202, {"id": str(taken.message_id), "to": asked.target, "sent": taken.sent})

    async def _all(self, submissions: Sequence[Submission]) -> Answer:
        """A verdict each, in order; what was refused for now may be asked again with the same key."""
        verdicts = await asyncio.gather(*map(self._verdict, submissions))
        objects = [verdict for verdict, _ in verdicts]
        accepted = sum(verdict["status"] == 202 for verdict in objects)
        body = {"accepted": accepted, "refused": len(objects) - accepted, "messages": objects}
        return answer(207, body, lasting=all(lasting for _, lasting in verdicts))

    async def _verdict(self, asked: Submission) -> tuple[dict[str, Any], bool]:
        try:
            taken = await self._intake.submit(asked)
        except Refused as refusal:
            problem = of_refusal(refusal)
            return {"to": asked.target, "status": problem.status, "problem": problem.object()}, refusal.lasting
        return {"to": asked.target, "status": 202, "id": str(taken.message_id), "sent": taken.sent}, True

    async def quote(self, account: Account, address: str, asked: Message) -> Answer:
        found = await self._intake.quote(submission(account, address, asked, asked.to))
        return answer(200, views.quote(found, self._queues[found.gateway_id].settings.name, account))

    # -- looking

    async def story(self, account: Account, message_id: str) -> Story:
        """Raises Problem where there is none, or it is none of the account's."""
        number = int(message_id) if message_id.isascii() and message_id.isdecimal() and len(message_id) < 20 else 0
        found = await self._reader.run(lambda db: story.read(db, number)) if 0 < number <= _LARGEST_ID else None
        if found is None or not sees(account, found.message.user_id, self._directory):
            raise NOT_FOUND
        return found

    async def message(self, account: Account, message_id: str) -> Answer:
        return answer(200, views.whole(await self.story(account, message_id), account, self._directory))

    async def events(self, account: Account, message_id: str) -> Answer:
        found = await self.story(account, message_id)
        return answer(200, {"events": views.events(found, account, self._directory)})

    async def messages(self, account: Account, asked: Wanted) -> Answer:
        found = await self._reader.run(lambda db: pages.messages(db, asked))
        shown = [views.listed(row, account) for row in found.rows]
        return answer(200, {"messages": shown, "next": _cursor(found.after)})

    async def cdrs(self, account: Account, asked: Wanted) -> Answer:
        found = await self._reader.run(lambda db: pages.cdrs(db, asked))
        return answer(200, {"cdrs": [views.cdr(row, account) for row in found.rows], "next": _cursor(found.after)})

    def wanted(
        self, account: Account, cursor: str, limit: int, since: str, until: str, sender: str, target: str, state: str,
        direction: str,
    ) -> Wanted:  # fmt: skip
        """Numbers as tables have them: `+` is optional."""
        times: dict[str, Any] = {"since": Millis(millis(since))} if since else {}
        times |= {"until": Millis(millis(until))} if until else {}
        return Wanted(
            whose(account, self._directory), min(int(cursor), _LARGEST_ID) if cursor else _LARGEST_ID, limit,
            sender=sender.removeprefix("+"), target=target.removeprefix("+"), state=state, direction=direction, **times,
        )  # fmt: skip

    async def balance(self, account: Account, user: str) -> Answer:
        of = self._directory.by_name.get(user) if user else account
        if of is None or not sees(account, of.id, self._directory):
            raise NOT_FOUND
        rows = await self._reader.run(lambda db: db.read("user_by_name", username=of.name))
        amounts = {"balance": str(decimal(rows[0][1])), "credit_limit": str(decimal(of.credit_limit))}
        return answer(200, {"user": of.name, **amounts, "currency": of.currency})

    # -- signing up

    async def start(self, account: Account, address: str, asked: SignUp) -> Answer:
        _check_admin(account)
        started = await self._verifying.start(asked.number, asked.address or address)
        return answer(202, {"id": started.id, "expires": moment(started.expires)})

    async def check(self, account: Account, address: str, verification: str, asked: Code) -> Answer:
        _check_admin(account)
        return answer(
            200, {"number": await self._verifying.check_id(verification, asked.code, asked.address or address)}
        )

    # -- taking back

    async def cancel(self, account: Account, message_id: str) -> Answer:
        found = await self.story(account, message_id)
        done = await self._cancelling.cancel(found, account.id)
        state = State.DELETED if done else None
        return answer(200 if done else 202, {"id": message_id, "state": state})


def submission(account: Account, address: str, asked: Text, to: str) -> Submission:
    return Submission(
        door=DOOR, payers=(account.name,), sender=asked.sender or account.name, target=to, text=asked.text or "",
        client_ip=address, message_class=0 if asked.flash else asked.message_class,
        octets=bytes.fromhex(asked.octets or ""), udh=bytes.fromhex(asked.udh or ""),
        due=Millis(max(millis(asked.send_at), 0)) if asked.send_at else Millis(0), valid=asked.valid_for or 0,
    )  # fmt: skip


def problem_of(error: Refused | StoreError) -> Problem:
    return of_refusal(error if isinstance(error, Refused) else Unavailable("The store is out of reach"))


def _check_admin(account: Account) -> None:
    """Raises Problem: sign-up codes are paid by the gateway's own account."""
    if account.type is not UserType.ADMIN:
        raise Problem(403, "not_allowed", "Only an admin's key may do this")


def _with_key(asked: Submission, key: bytes) -> Submission:
    return replace(asked, ingress_key=key)


def _cursor(after: int | None) -> str | None:
    return None if after is None else str(after)
