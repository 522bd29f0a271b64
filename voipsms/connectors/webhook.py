"""One POST to an address that the operator named. The only importer of httpx: where requests are few, its plain
interface is worth more than the rate of exchange.py."""

from __future__ import annotations

import logging
import ssl

import httpx

from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitRefused

for name in ("httpx", "httpcore"):  # they write whole addresses
    logging.getLogger(name).setLevel(logging.WARNING)


async def post(url: str, body: bytes, seconds: float) -> None:
    """JSON; redirects are not followed. Raises GatewayDown, OutcomeUnknown, and SubmitRefused where the answer isn't
    2xx; none of them shows the address, which may hold a secret."""
    try:
        async with httpx.AsyncClient(timeout=seconds, verify=ssl.create_default_context(), trust_env=False) as client:
            answer = await client.post(url, content=body, headers={"Content-Type": "application/json"})
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise GatewayDown(f"no connection: {type(error).__name__}") from error
    except httpx.HTTPError as error:
        raise OutcomeUnknown(f"no answer: {type(error).__name__}") from error
    if not answer.is_success:
        raise SubmitRefused(f"HTTP {answer.status_code}")
