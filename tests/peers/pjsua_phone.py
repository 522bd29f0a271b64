"""A softphone on pjsua2, run as a program: `python -m tests.peers.pjsua_phone PROXY NAME PASSWORD`.

Lines of JSON on its standard input are texts to send, {"to": …, "text": …}; on its standard output it tells that it is
registered, what it has received, and the answer to what it has sent.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from typing import Any

import pjsua2 as pj


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


class _Account(pj.Account):  # type: ignore[misc]
    def onRegState(self, prm: Any) -> None:  # noqa: N802 — pjsua2's name
        tell(event="registered", code=prm.code)

    def onInstantMessage(self, prm: Any) -> None:  # noqa: N802
        tell(event="text", sender=prm.fromUri, text=prm.msgBody, type=prm.contentType)

    def onInstantMessageStatus(self, prm: Any) -> None:  # noqa: N802
        tell(event="sent", code=prm.code, text=prm.msgBody)


def _account(proxy: str, name: str, password: str) -> Any:
    config = pj.AccountConfig()
    config.idUri = f"sip:{name}@127.0.0.1:{proxy}"
    config.regConfig.registrarUri = f"sip:127.0.0.1:{proxy}"
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", name, 0, password))
    account = _Account()
    account.create(config)
    return account


def _write(account: Any, proxy: str, to: str, text: str) -> None:
    config = pj.BuddyConfig()
    config.uri = f"sip:{to}@127.0.0.1:{proxy}"
    buddy = pj.Buddy()
    buddy.create(account, config)
    what = pj.SendInstantMessageParam()
    what.content = text
    buddy.sendInstantMessage(what)


def _read(orders: deque[dict[str, str] | None]) -> None:
    for line in sys.stdin:
        orders.append(json.loads(line))
    orders.append(None)


def main(proxy: str, name: str, password: str) -> None:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    account = _account(proxy, name, password)
    orders: deque[dict[str, str] | None] = deque()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    while True:
        endpoint.libHandleEvents(20)
        while orders:
            if (order := orders.popleft()) is None:
                account.shutdown()
                endpoint.libDestroy()
                return
            _write(account, proxy, order["to"], order["text"])


if __name__ == "__main__":
    main(*sys.argv[1:])
