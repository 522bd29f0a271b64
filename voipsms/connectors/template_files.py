"""smssenddata and smssendheader from files in the config's folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voipsms.errors import ConfigError
from voipsms.model import GatewayId

LARGEST_FILE: Final = 1 << 20  # octets


@dataclass(frozen=True, slots=True)
class TemplateFile:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class TemplateFiles:
    """smssenddata and smssendheader as files say them; None: no file does."""

    data: TemplateFile | None = None
    header: TemplateFile | None = None


NO_FILES: Final = TemplateFiles()


def template_files(folder: Path, gateway_id: GatewayId) -> TemplateFiles:
    """`smssenddata_ID.txt` or else `smssenddata.txt`, and the same for smssendheader, from the config's folder.

    Raises ConfigError for a file that can't be read, is not UTF-8, or is larger than 1 MiB.
    """
    found = [_first(folder, (f"{key}_{gateway_id}.txt", f"{key}.txt")) for key in ("smssenddata", "smssendheader")]
    return TemplateFiles(*found)


def _first(folder: Path, names: Sequence[str]) -> TemplateFile | None:
    for name in names:
        try:
            with (folder / name).open("rb") as file:
                octets = file.read(LARGEST_FILE + 1)
            if len(octets) > LARGEST_FILE:
                raise ConfigError(f"{folder / name}: is larger than {LARGEST_FILE} octets")
            return TemplateFile(name, re.sub(r"\r?\n\Z", "", octets.decode("utf-8-sig")))
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as error:
            raise ConfigError(f"{folder / name}: octet {error.start + 1} is not UTF-8") from error
        except OSError as error:
            raise ConfigError(f"{folder / name}: {error.strerror or error}") from error
    return None
