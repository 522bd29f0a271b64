"""The way that a number is called: the softswitch's account, else a route to a trunk, else the softswitch itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from voipsms.callback.limits import check
from voipsms.callback.plan import Plan, Way
from voipsms.callback.rates import cost, fees, loses, minute, payer
from voipsms.config import Config
from voipsms.connectors.escapes import Unwritable
from voipsms.connectors.sip_trunk import Trunk, read_trunk
from voipsms.directory import Account, Directory
from voipsms.errors import NoGateway, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.least_cost import BELOW_COST
from voipsms.model import GatewayId, Millis, Msisdn
from voipsms.routing import Asked, Route, gateways
from voipsms.settings import CallbackSettings
from voipsms.sip.grammar import SipParseError
from voipsms.sip.uri import Uri, host_text
from voipsms.sms.numbers import read_number
from voipsms.store.ids import now_millis


class CallWays:
    """`config`: of now. `usable`: whether a gateway takes anything now; `in_flight`: calls by it."""

    def __init__(
        self,
        directory: Directory,
        config: Callable[[], Config],
        *,
        usable: Callable[[GatewayId], bool] = lambda gateway: True,
        in_flight: Callable[[GatewayId], int] = lambda gateway: 0,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], Millis] = now_millis,
    ) -> None:
        self._directory = directory
        self._config = config
        self._usable, self._in_flight, self._draw = usable, in_flight, draw
        self._clock = clock
        self._read: Config | None = None  # whose trunks are known
        self._known: Mapping[str, tuple[GatewaySettings, Trunk]] = {}

    def __call__(self, plan: Plan, number: str) -> Way:
        """Raises Refused."""
        try:
            return self._way(plan, number)
        except SipParseError as error:  # an operator's registrar or outbound
            raise NoGateway(f"What calls are to leave by is no SIP URI: {error}") from error

    def _way(self, plan: Plan, number: str) -> Way:
        config, now = self._config(), self._clock()
        account = payer(self._directory, plan.user_id, now)
        check(number, config.callback, self._directory.book, config.sms.country)
        caller = caller_of(plan, number, config.callback)
        if name := config.callback.account:
            ours = config.accounts[name]
            return Way(_to(ours.registrar, number), name, _from(ours.registrar, caller), ours.srtp)
        if groups := self._directory.call_routes.matching(self._asked(plan, account, number, caller, now)):
            return self._by_route(groups, account, number, caller, now)
        if not config.sip.outbound:
            raise NoGateway
        return Way(
            _to(config.sip.outbound, number), caller=_from(config.sip.outbound, caller), srtp=config.callback.srtp
        )

    def _asked(self, plan: Plan, account: Account, number: str, caller: str, now: Millis) -> Asked:
        found = read_number(f"+{number}")
        return Asked(Msisdn(number), caller, account.id, account.group, found.region, found.kind, now)

    # -- trunks

    def _by_route(self, groups: list[list[Route]], account: Account, number: str, caller: str, now: Millis) -> Way:
        price, settings, below = fees(self._directory, account, number, now)[0], self._config().sms, False
        trunks = self._trunks()
        found = gateways(groups, self._in_flight, self._draw)
        for gateway, route in sorted(found.items(), key=lambda one: not self._usable(one[0])):
            owed = cost(self._directory, gateway, number, now)
            if gateway not in trunks or (route.ceiling is not None and minute(owed) > route.ceiling):
                continue
            if loses(settings, price, account.currency, owed):
                below = True
                continue
            return self._by_trunk(gateway, *trunks[gateway], number, caller)
        raise NoGateway(BELOW_COST if below else None)

    def _trunks(self) -> dict[GatewayId, tuple[GatewaySettings, Trunk]]:
        """Gateways that take calls: those of the config file that are SIP trunks."""
        config = self._config()
        if config is not self._read:
            trunks = (one for one in config.gateways if one.smsurl[:4].lower() in ("sip:", "sips"))
            self._read, self._known = config, {one.name: (one, read_trunk(one)) for one in trunks}
        ids = self._directory.gateways
        return {ids[name]: trunk for name, trunk in self._known.items() if name in ids}

    def _by_trunk(self, gateway: GatewayId, settings: GatewaySettings, trunk: Trunk, number: str, caller: str) -> Way:
        named = dict.fromkeys(trunk.user.names, "") | {
            "tonum": number, "fromnum": caller, "user": settings.user, "password": settings.password,
            "apikey": settings.apikey, "option": settings.option, "gatewayid": str(gateway),
        }  # fmt: skip
        try:
            uri = trunk.uri(named)
        except (SubmitRefused, Unwritable) as error:
            raise NoGateway(f"No call can be made by {settings.name}: {error}") from error
        return Way(
            uri, caller=_from(f"{trunk.scheme}:{trunk.rest}", caller), srtp=self._config().callback.srtp,
            gateway_id=gateway,
        )  # fmt: skip


def caller_of(plan: Plan, number: str, settings: CallbackSettings) -> str:
    """The number that a leg is from: the other's, where none is set; empty where that isn't known yet."""
    return settings.caller.removeprefix("+") or ((plan.second or "") if number == plan.first else plan.first)


def _to(server: str, number: str) -> str:
    """`server`: sip:host:port;parameters."""
    scheme, _, rest = server.partition(":")
    return f"{scheme}:{number}@{rest.rpartition('@')[2]}"


def _from(server: str, caller: str) -> str:
    """For From, which has neither port nor transport: RFC 3261 §19.1.1, table 1."""
    return f"sip:{caller}@{host_text(Uri.parse(server).host, None)}" if caller else ""
