"""What happens to a submission before accept, as commands do it: each step in words, and the same result."""

from __future__ import annotations

from collections.abc import Sequence

from voipsms.config import Config
from voipsms.directory import Directory
from voipsms.errors import Refused
from voipsms.model import Message, Submission
from voipsms.preparation import Preparation, Ready
from voipsms.rewriting import DialPlan, procedure
from voipsms.rules import Effect
from voipsms.store.open import engine_for

Line = tuple[str, str]  # a step, and what it comes to


async def prepare(config: Config, directory: Directory, submission: Submission) -> tuple[Ready | Refused, list[Line]]:
    """Raises ConfigError."""
    preparation, trace = Preparation(directory, config.sms, ""), list[Line]()
    if config.sms.usesmsprefixsp:
        engine = engine_for(config)
        preparation.configure(config.sms, "", DialPlan(engine, procedure(engine, config.folder)))
    try:
        ready: Ready | Refused = await preparation.prepare(submission, trace)
    except Refused as refusal:
        ready = refusal
    finally:
        if preparation.plan is not None:
            await preparation.plan.close()
    lines = [(f"rule {name}", why) for name, why in trace]
    return ready, [*lines, *_changes(submission, ready.submission)] if isinstance(ready, Ready) else lines


def _changes(before: Submission, after: Submission) -> list[Line]:
    fields = (("from", "sender"), ("to", "target"), ("text", "text"))
    return [
        (f"{word} now", getattr(after, name)) for word, name in fields if getattr(before, name) != getattr(after, name)
    ]


async def run_effects(config: Config, wanted: Sequence[Effect], message: Message, copies: list[Submission]) -> None:
    """Mails, programs and webhooks are done when this returns; copies are for the caller to send."""
    from voipsms.effects import Effects  # takes a while to import, and few messages need it

    async def submit(submission: Submission) -> None:
        copies.append(submission)

    effects = Effects(submit, frozenset, config.folder, config.mail)
    effects.start(wanted, message)
    await effects.close()
