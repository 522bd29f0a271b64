"""Providers are data: `provider = NAME` reads plugins/providers/NAME.ini, whose keys hold where the section has none.

Such a file is one section, [provider], of keys that a gateway may have. `provider = my.ini` is the operator's own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from voipsms.ini import BadValue, read_ini
from voipsms.resources import resource

SECTION: Final = "provider"
CREDENTIALS: Final = ("user", "password", "apikey", "option")
TEMPLATES: Final = ("smsurl", "smssenddata", "smssendheader", "smsverifyurl", "smssenddataverify")


def provider_files() -> dict[str, Path]:
    """The providers that come with voipsms, by name."""
    return {path.stem: path for path in sorted(resource("plugins/providers").glob("*.ini"))}


def read_provider(provider: str, folder: Path) -> dict[str, str]:
    """The keys of a provider. `folder`: where a path starts. Raises BadValue, one line."""
    path = folder / provider if provider.endswith(".ini") else _known(provider)
    try:
        sections = read_ini(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadValue(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:  # UnicodeDecodeError, and BadValue, whose lines become one
        raise BadValue(f"{path}: {'; '.join(str(error).splitlines())}") from error
    if list(sections) != [SECTION]:
        raise BadValue(f"{path}: must be one section, [{SECTION}]")
    if SECTION in sections[SECTION]:
        raise BadValue(f"{path}: can't stand on another provider")
    return sections[SECTION]


def _known(provider: str) -> Path:
    files = provider_files()
    if provider not in files:
        near = difflib.get_close_matches(provider.lower(), files, 1, 0)
        raise BadValue(f"unknown provider {provider!r}; did you mean {near[0]!r}? A file of your own ends in .ini")
    return files[provider]


def missing(values: Mapping[str, str]) -> list[str]:
    """The credentials that the templates hold and nobody gave."""
    templates = "\n".join(values.get(name, "") for name in TEMPLATES)
    return [word for word in CREDENTIALS if _used(word, templates) and not values.get(word, "").strip()]


def _used(word: str, templates: str) -> bool:
    return bool(re.search(rf"\[{word}\]|\{{\{{(?:(?!\}}\}}).)*\b{word}\b", templates, re.IGNORECASE))
