"""One tree of errors, each of which knows what every door answers for it.

A door never chooses a code: it reads it off the class. `code` is the stable word kept in the database, in metrics
and in API answers; `str(error)` is the text that a peer may see; causes for the log go to `__cause__`.
SMPP statuses: SMPP 3.4 §5.1.3. SIP codes: RFC 3261 §21 and the table in contract.md.
"""

from __future__ import annotations

from typing import ClassVar


class VoipSmsError(Exception):
    """Anything that this program itself declares as going wrong."""


class ConfigError(VoipSmsError):
    """The configuration can't be used; the text names file, section, key and what would be right."""


class ProtocolError(VoipSmsError):
    """A peer sent octets that its protocol does not allow."""


class StoreError(VoipSmsError):
    """The database can't be used now."""


class NodeLost(VoipSmsError):
    """Another process holds this node's lease: whatever this one still has in memory is no longer its own."""


# -- what a door refuses ------------------------------------------------------------------------------------------


class Refused(VoipSmsError):
    """A submission is not taken. Nothing was charged, nothing will be sent."""

    code: ClassVar[str] = "refused"
    sip_code: ClassVar[int] = 403
    http_status: ClassVar[int] = 403
    smpp_status: ClassVar[int] = 0x45  # ESME_RSUBMITFAIL
    lasting: ClassVar[bool] = True  # the same request gets the same answer again, across a restart too
    text: ClassVar[str] = "Refused"

    def __init__(self, text: str | None = None, *, retry_after: int | None = None) -> None:
        super().__init__(text or self.text)
        self.retry_after = retry_after  # seconds


class NobodyToBill(Refused):
    code = "nobody_to_bill"
    text = "Nobody to bill for this sender"


class UserInactive(Refused):
    code = "user_inactive"
    text = "The account is inactive"


class AccountExpired(Refused):
    code = "account_expired"
    text = "The account has expired"


class MonthlyLimit(Refused):
    code = "monthly_limit"
    text = "No more messages this month"


class AccountFault(Refused):
    """The log says what: it is for the operator to put right."""

    code = "account_fault"
    text = "The account is not set up rightly"


class OptedOut(Refused):
    code = "opted_out"
    text = "The recipient has opted out"


class Blocked(Refused):
    code = "blocked"
    text = "Blocked by a rule"


class NoCredit(Refused):
    code = "no_credit"
    sip_code = 402
    http_status = 402
    text = "Not enough credit"


class NoResellerCredit(NoCredit):
    text = "A reseller of this account has not enough credit"


class NoPrice(Refused):
    """Of a call: nobody talks for nothing by mistake."""

    code = "no_price"
    text = "There is no price for calls to this number"


class NotConverted(Refused):
    code = "not_converted"
    sip_code = 404
    http_status = 404
    smpp_status = 0x0B  # ESME_RINVDSTADR
    text = "Messages to this target are not sent as SMS"


class ImpossibleNumber(Refused):
    code = "impossible_number"
    sip_code = 484
    http_status = 400
    smpp_status = 0x0B  # ESME_RINVDSTADR
    text = "Not a possible phone number"


class EmptyText(Refused):
    code = "empty_text"
    sip_code = 400
    http_status = 400
    smpp_status = 0x01  # ESME_RINVMSGLEN
    text = "The message has no text"


class BadUserData(Refused):
    code = "bad_user_data"
    sip_code = 400
    http_status = 400
    smpp_status = 0x01  # ESME_RINVMSGLEN
    text = "The binary message can't be sent"


class TooLong(Refused):
    code = "too_long"
    sip_code = 413
    http_status = 413
    smpp_status = 0x01  # ESME_RINVMSGLEN
    text = "The message is too long"


class NoGateway(Refused):
    code = "no_gateway"
    sip_code = 480
    http_status = 503
    text = "No gateway for this target"


class Unavailable(Refused):
    """Not now: the store is out of reach, or we are draining, or there is more than we can take."""

    code = "unavailable"
    sip_code = 503
    http_status = 503
    smpp_status = 0x58  # ESME_RTHROTTLED
    lasting = False
    text = "Temporarily unavailable"

    def __init__(self, text: str | None = None, *, retry_after: int = 5) -> None:
        super().__init__(text, retry_after=retry_after)


class TooLate(Refused):
    """A message can't be taken back any more."""

    code = "too_late"
    http_status = 409
    lasting = False
    text = "The message can't be cancelled any more"


class ProviderRefused(Refused):
    """smsthread=0: the provider refused the message for good while its sender waited."""

    code = "provider_refused"
    sip_code = 488
    http_status = 422
    text = "The provider refused the message"


class ProviderBusy(Refused):
    """smsthread=0: the provider can't take it now."""

    code = "provider_busy"
    sip_code = 480
    http_status = 503
    text = "The provider can't take the message now"


class WrongVoucher(Refused):
    """The same for one that is wrong, used, too old or of another currency."""

    code = "wrong_voucher"
    lasting = False
    text = "The voucher is not valid"


class NotVerifying(Refused):
    code = "not_verifying"
    http_status = 404
    text = "Sign-up codes are not available"


class TooManyCodes(Refused):
    code = "too_many_codes"
    http_status = 429
    lasting = False
    text = "Too many codes were asked for: try again later"


class WrongCode(Refused):
    """The same for one that is wrong, used, too old, tried too often or was never sent."""

    code = "wrong_code"
    lasting = False
    text = "The code is wrong or not valid any more"


class NotCalled(Refused):
    """A call that is never made, whoever asks."""

    code = "not_called"
    text = "This number can't be called"


class CallingAlready(Refused):
    code = "calling_already"
    http_status = 409
    lasting = False
    text = "This number is being called already"


class CalledJustNow(Refused):
    code = "called_just_now"
    http_status = 429
    lasting = False
    text = "This number was called a moment ago: try again later"


class TooManyCalls(Refused):
    code = "too_many_calls"
    http_status = 429
    lasting = False
    text = "There are calls of this account already"


REFUSALS: dict[str, type[Refused]] = {
    kind.code: kind
    for kind in (
        Refused, NobodyToBill, UserInactive, AccountExpired, MonthlyLimit, AccountFault, OptedOut, Blocked, NoCredit,
        NotConverted, ImpossibleNumber, EmptyText, BadUserData, TooLong, NoGateway, Unavailable, ProviderRefused,
        ProviderBusy,
    )
}  # fmt: skip


# -- what a connector reports -------------------------------------------------------------------------------------


class SubmitError(VoipSmsError):
    """A part was not taken by the provider. `comment` is the provider's own words, for the CDR."""

    reason: ClassVar[str] = "failed"

    def __init__(self, comment: str = "") -> None:
        super().__init__(comment or self.reason)
        self.comment = comment or self.reason


class GatewayDown(SubmitError):
    """Nothing left this machine. The part waits for the gateway; it is not an attempt."""

    reason = "gateway_down"


class Throttled(SubmitError):
    """The provider asks for a pause (ESME_RTHROTTLED, ESME_RMSGQFUL, HTTP 429). It is not an attempt."""

    reason = "throttled"

    def __init__(self, comment: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(comment)
        self.retry_after = retry_after  # seconds


class SubmitFailed(SubmitError):
    """The provider could not take it this time; another attempt may work."""

    reason = "temporary_failure"

    def __init__(self, comment: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(comment)
        self.retry_after = retry_after  # seconds; None: the gateway's own growing delay


class SubmitRefused(SubmitError):
    """The provider refused it for good."""

    reason = "refused_by_provider"


class RefusedHere(SubmitRefused):
    """This gateway won't take it, whatever is tried; another one may."""

    reason = "refused_by_gateway"


class OutcomeUnknown(SubmitError):
    """It may have been taken: the answer did not come, or the connection ended first."""

    reason = "no_answer"
