"""The real servers that several areas share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.peers.mariadb import MariaDb

# A busy machine is no finding: what must be quick says so itself. CI draws the same examples each time, so that what it
# says of a commit is always the same; new ones are looked for where somebody can look at them.
settings.register_profile(
    "house", deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A server for the whole run. A test that kills or pauses it brings it back."""
    with tempfile.TemporaryDirectory(prefix="voipsms-") as folder:  # short: the socket's path is bounded
        server = MariaDb(Path(folder))
        server.install()
        with server:
            yield server


@pytest.fixture
def mysql_url(mariadb: MariaDb) -> Iterator[str]:
    """An empty database."""
    url = mariadb.new_database()
    yield url
    mariadb.drop_database(url)
