"""The examples of docs/templates.md are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.connectors.messages import message
from voipsms.connectors import places
from voipsms.connectors.dialects.filters import PLAIN
from voipsms.connectors.dialects.icewarp import MODIFIERS, VARIABLES
from voipsms.connectors.dialects.names import NAMES
from voipsms.connectors.template import compile_value, values
from voipsms.gateway_settings import GatewaySettings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()
ROW = re.compile(r"\| (mizu|icewarp|jinja) \| (\w+) \| `((?:[^`])+)` \| `([^`]+)` \|")
PLACES = {
    "form": places.form, "json": places.json_text, "xml": places.xml, "plain": places.plain, "header": places.header,
}  # fmt: skip
EXAMPLES = [tuple(cell.replace("\\|", "|") for cell in found.groups()) for found in ROW.finditer(DOCUMENT)]


def test_there_are_examples_of_each() -> None:
    assert {dialect for dialect, *_ in EXAMPLES} == {"mizu", "icewarp", "jinja"}
    assert {place for _, place, *_ in EXAMPLES} == set(PLACES)


@pytest.mark.parametrize("dialect, place, template, sent", EXAMPLES)
def test_examples(dialect: str, place: str, template: str, sent: str) -> None:
    named = values(
        message('Hi "you" & 5% é', sender="ACME", number=77), gateway=GatewaySettings(user="me", password="p:w")
    )
    assert compile_value("g", "k", template, PLACES[place])(named) == sent


def test_every_word_is_told() -> None:
    told = set(re.findall(r"`([^`\s]+)`", DOCUMENT))
    words = {*NAMES, *VARIABLES, *PLAIN, "messageid", *(word.removesuffix("=") for word in MODIFIERS)}
    assert {word for word in words if word not in told and f"{word}=X" not in told} == set()
