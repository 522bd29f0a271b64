"""Twilio by its own SDK (`pip install voipsms[twilio]`).

[gateway:twilio]
plugin   = twilio.py
user     = AC…   the account's SID
password = its auth token, or the secret of the API key
apikey   = SK…   the API key's SID, where one is used
sender   = MG…   a messaging service, where it shall choose the sender
option   = https://…   Twilio posts receipts there; without it a message is ACCEPTED and no more is heard of it
"""

from __future__ import annotations

import re
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final

from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError

from voipsms.errors import GatewayDown, OutcomeUnknown, RefusedHere, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Message, State, Submitted

# Codes of twilio.com/docs/api/errors that ask for a pause: too many requests, a sender's or the account's queue full.
_PAUSE: Final = frozenset({20429, 14107, 21611, 30001, 63018})
_NUMBER: Final = re.compile(r"\d{7,15}")  # shorter: a short code, which has no +


def connector(gateway: GatewaySettings, folder: Path) -> Twilio:
    return Twilio(gateway)


def _e164(address: str) -> str:
    return f"+{address}" if _NUMBER.fullmatch(address) else address


class Twilio:
    """Raises ValueError where the credentials are not whole."""

    def __init__(self, gateway: GatewaySettings) -> None:
        if not gateway.user or not gateway.password:
            raise ValueError("user, the account's SID, and password, its auth token, must be set")
        self._receipts = gateway.option
        http = TwilioHttpClient(timeout=gateway.timeout)
        # Nothing is repeated below us: it would be a second SMS.
        http.session.mount("https://", HTTPAdapter(pool_maxsize=gateway.connections, max_retries=0))
        self._session = http.session
        name = gateway.apikey or gateway.user
        self._client = Client(name, gateway.password, gateway.user, http_client=http)

    def send(self, message: Message) -> Submitted:
        if message.octets:
            raise RefusedHere("Twilio takes texts alone")
        try:
            made = self._client.messages.create(**self._parameters(message))
        except TwilioRestException as error:
            raise _refusal(error) from error
        except RequestException as error:
            raise _failure(error) from error
        except (TwilioException, JSONDecodeError) as error:  # an answer that is none of Twilio's
            raise OutcomeUnknown(f"Twilio: {type(error).__name__}") from error
        return Submitted(made.sid or "", State.ENROUTE if self._receipts else State.ACCEPTED, f"Twilio: {made.status}")

    def _parameters(self, message: Message) -> dict[str, Any]:
        service = message.sender.startswith("MG") and len(message.sender) == 34
        sender = {"messaging_service_sid": message.sender} if service else {"from_": _e164(message.sender)}
        optional: dict[str, Any] = {"status_callback": self._receipts} if self._receipts else {}
        if message.valid:
            optional["validity_period"] = min(max(message.valid, 1), 36_000)  # seconds, what Twilio takes
        return {"to": _e164(message.target), "body": message.text, **sender, **optional}

    def describe(self, message: Message) -> list[str]:
        return [f"Twilio Messages.create: {self._parameters(message)}"]

    def probe(self) -> None:
        """Asks for the account, which costs nothing."""
        try:
            self._client.api.accounts(self._client.account_sid).fetch()
        except TwilioRestException as error:
            raise GatewayDown(_refusal(error).comment) from error
        except RequestException as error:
            raise GatewayDown(_failure(error).comment) from error

    def close(self) -> None:
        self._session.close()


def _refusal(error: TwilioRestException) -> SubmitError:
    code = f" {error.code}" if error.code else ""
    comment = " ".join(f"Twilio {error.status}{code}: {error.msg}".split())[:200]
    if error.status == 429 or error.code in _PAUSE:
        return Throttled(comment)
    return SubmitFailed(comment) if error.status >= 500 or error.status == 408 else SubmitRefused(comment)


def _failure(error: RequestException) -> SubmitError:
    """What certainly never left is GatewayDown."""
    cause = error.args[0] if error.args else None
    unconnected = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
    if isinstance(error, ConnectTimeout | SSLError) or (isinstance(error, NoConnection) and unconnected):
        return GatewayDown(f"Twilio can't be reached: {type(error).__name__}")
    return OutcomeUnknown(f"Twilio has not answered: {type(error).__name__}")
