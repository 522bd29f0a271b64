"""What the gateway and a caller process say to each other: one JSON object a line, of one of these kinds.

A call is one leg, named by a number that the gateway chooses. A caller that ends takes its calls with it.
"""

from __future__ import annotations

from voipsms.values import Value, reader, to_line

# -- from the gateway


class Settings(Value, frozen=True, tag=True):
    """The first line. `rtp_first`, `rtp_last`: ports; `public`: the address that SDP shows; empty: the local one."""

    rtp_first: int
    rtp_last: int
    bound: str = ""
    public: str = ""
    stun: str = ""
    codecs: tuple[str, ...] = ()  # best first, such as PCMU, PCMA, G722


class Account(Value, frozen=True, tag=True):
    """Is to be registered, and kept so; one of the same name takes its place. `registrar`: a SIP URI."""

    name: str
    registrar: str
    user: str
    password: str
    expires: int = 600  # seconds; 0: credentials for calls alone, nothing is registered
    proxy: str = ""  # a SIP URI that all its requests go by
    srtp: str = "no"  # no, optional, mandatory


class Dial(Value, frozen=True, tag=True):
    """`account` empty: none; `caller`: who it shall seem to be from; `ring`: seconds until it is given up."""

    call: int
    uri: str
    account: str = ""
    caller: str = ""
    ring: float = 45.0
    srtp: str = "no"


class Hangup(Value, frozen=True, tag=True):
    call: int


class Bridge(Value, frozen=True, tag=True):
    """Each hears the other from now on, and no prompt."""

    one: int
    two: int


class Part(Value, frozen=True, tag=True):
    one: int
    two: int


class Play(Value, frozen=True, tag=True):
    """WAV files one after the other, instead of what it hears now; `token` comes back in Played. `loop`: for ever."""

    call: int
    files: tuple[str, ...]
    token: int
    loop: bool = False


class Hush(Value, frozen=True, tag=True):
    call: int


class Write(Value, frozen=True, tag=True):
    """A MESSAGE from an account; `token` comes back in Sent."""

    account: str
    uri: str
    text: str
    token: int


class Ping(Value, frozen=True, tag=True):
    number: int


class Quit(Value, frozen=True, tag=True):
    """Hang up, unregister, end."""


# -- from the caller


class Ready(Value, frozen=True, tag=True):
    """`legs`: calls that it can have at once."""

    legs: int


class Registered(Value, frozen=True, tag=True):
    """What the registrar has said last. `code` 0: it has not answered."""

    account: str
    code: int
    reason: str = ""


class Ringing(Value, frozen=True, tag=True):
    call: int
    code: int = 180


class Answered(Value, frozen=True, tag=True):
    call: int
    codec: str = ""


class Ended(Value, frozen=True, tag=True):
    """`code`: the SIP status of a call that was not answered, 200 of one that was; 0: nothing was heard."""

    call: int
    code: int
    reason: str = ""
    by_us: bool = False
    sent: int = 0  # RTP packets
    received: int = 0
    lost: int = 0


class Digit(Value, frozen=True, tag=True):
    """`way`: rfc4733, inband or info. A digit that comes both ways is told once."""

    call: int
    digit: str
    way: str


class Played(Value, frozen=True, tag=True):
    call: int
    token: int


class Text(Value, frozen=True, tag=True):
    """A MESSAGE has reached an account, and has been answered 200 by the library."""

    account: str
    sender: str  # URIs
    target: str
    text: str
    call_id: str
    content_type: str = "text/plain"
    source: str = ""  # the address that it came from


class Sent(Value, frozen=True, tag=True):
    token: int
    code: int


class Pong(Value, frozen=True, tag=True):
    number: int


Order = Settings | Account | Dial | Hangup | Bridge | Part | Play | Hush | Write | Ping | Quit
Event = Ready | Registered | Ringing | Answered | Ended | Digit | Played | Text | Sent | Pong

read_order = reader(Order)
read_event = reader(Event)
line = to_line
