"""What would leave for a message, as `explain` and `message` show it. Nothing is sent."""

from __future__ import annotations

from voipsms.commands.context import Nobody
from voipsms.config import Config
from voipsms.connectors.port import Connector, Describer
from voipsms.errors import ConfigError, SubmitError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Message
from voipsms.store.open import engine_for
from voipsms.store.select import DatabaseSelector


async def requests(config: Config, message: Message, settings: GatewaySettings) -> list[str]:
    """The requests, PDUs or command lines; one line of why not, where there are none."""
    from voipsms.connectors.registry import connector_for  # takes a while to import, and few commands need it

    selector = DatabaseSelector(engine_for(config))
    try:
        connector: Connector = connector_for(
            message.gateway_id, settings, Nobody(), lambda: None,
            folder=config.folder, selector=selector, mail=config.mail,
        )  # fmt: skip
        if not isinstance(connector, Describer):
            return [f"{settings.name} doesn't tell"]
        return list(await connector.describe(message))
    except (SubmitError, ConfigError) as error:
        return [f"none: {error}"]
    finally:
        selector.close()
