"""What dispatch asks of a gateway, and what a gateway tells the rest of the house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from voipsms.model import Inbound, Message, Part, Receipt, Submitted


class Inbox(Protocol):
    """Where a connector hands over what its provider says unasked. Both return after the commit, so that the
    provider can be answered then; they raise StoreError where nothing could be kept."""

    async def receipt(self, receipt: Receipt) -> None: ...

    async def inbound(self, inbound: Inbound) -> None: ...


class Connector(Protocol):
    """One gateway's code. Every method runs on the event loop."""

    name: str

    @property
    def ready(self) -> bool:
        """Whether the gateway is believed to be usable."""
        ...

    @property
    def last_error(self) -> str:
        """Why it is not; empty: nothing is known to be wrong."""
        ...

    def split(self, message: Message) -> Sequence[Part]:
        """The units that this gateway takes one by one, in order; at least one. Pure but for the concatenation
        reference, so it is called once a message."""
        ...

    def free(self) -> int:
        """How many more parts may be submitted now; 0 while the gateway is down or its window is full."""
        ...

    async def submit(self, part: Part) -> Submitted:
        """Raises SubmitError: GatewayDown, Throttled, SubmitFailed, SubmitRefused or OutcomeUnknown."""
        ...

    async def run(self) -> None:
        """Keeps the gateway usable until cancelled. Calls the `wake` it was built with when free() grows from 0."""
        ...

    async def probe(self) -> None:
        """Reaches (binds) the gateway without sending, and leaves again. Raises SubmitError with what is wrong."""
        ...

    async def close(self) -> None:
        """Ends sessions in the protocol's own way (unbind). No submit is under way then."""
        ...


@runtime_checkable
class Verifier(Protocol):
    """A connector whose provider is asked by a second request whether a message was really sent."""

    verify_delay: float  # seconds between the first answer and that request

    async def verify(self, message: Message, provider_id: str) -> Submitted:
        """The provider's second answer. Raises SubmitRefused where it says that the message was not sent, any other
        SubmitError where it says nothing."""
        ...


@runtime_checkable
class Querier(Protocol):
    """A connector whose provider can be asked for, and told to forget, what it took."""

    async def query(self, message: Message, provider_id: str) -> Receipt | None:
        """Its state there; None: it is still on its way, or the provider doesn't know. Raises SubmitError."""
        ...

    async def cancel(self, message: Message, provider_id: str) -> None:
        """Raises SubmitRefused where it can't be stopped any more, another SubmitError where that isn't known."""
        ...

    async def replace(self, message: Message, provider_id: str, text: str) -> None:
        """Another text for a message that is not delivered yet. Raises as `cancel`."""
        ...


@runtime_checkable
class Scheduler(Protocol):
    """A connector whose provider itself keeps a message until it is due."""

    def schedule(self, message: Message) -> str:
        """The time as the provider is told it; empty: at once."""
        ...


@runtime_checkable
class Describer(Protocol):
    """A connector that can show what it would send."""

    async def describe(self, message: Message) -> Sequence[str]:
        """The requests, PDUs or command lines for this message, without secrets. Raises SubmitError."""
        ...


class Selector(Protocol):
    """The operator's own database, for `{SELECT …}` in templates."""

    async def select(self, sql: str, values: Sequence[str]) -> str:
        """First column of the first row; `sql` marks each value by `?`. Raises SubmitFailed where the database is out
        of reach, SubmitRefused where the statement fails or finds no row."""
        ...
