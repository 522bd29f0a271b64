"""The templates' benchmark renders what it says it renders."""

from __future__ import annotations

import pytest

from bench import templates
from bench.__main__ import MEASUREMENTS
from voipsms.connectors.template import RequestTemplate


@pytest.mark.parametrize("dialect", templates.TEMPLATES)
def test_each_dialect_is_measured(dialect: str) -> None:
    figures = MEASUREMENTS[dialect](500)
    assert (figures.name, figures.messages) == (dialect, 500)
    assert 0 < figures.cpu_us < 1000
    assert figures.rate > 1000


@pytest.mark.parametrize("dialect", templates.TEMPLATES)
def test_the_template_is_of_its_dialect(dialect: str) -> None:
    request = RequestTemplate(templates.TEMPLATES[dialect]).render(templates.message(1))
    assert b"36209876543" in request.url.encode() + (request.body or b"")
    assert "Your%20code" in request.url or b"Your code" in (request.body or b"")
