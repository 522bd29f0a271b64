"""Where the files that are not Python are: `sql/` and `plugins/`."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """A file or folder such as `sql/queries.sql`: inside the package in a wheel, beside it in a checkout.

    Raises FileNotFoundError.
    """
    for folder in (_PACKAGE, _PACKAGE.parent):
        if (path := folder / name).exists():
            return path
    raise FileNotFoundError(f"voipsms is not installed whole: {name} is missing")
