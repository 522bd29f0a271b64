"""The files that are not Python are found in a checkout, and travel in the wheel."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from voipsms import resources

ROOT = Path(__file__).parent.parent


def shipped(folder: str) -> set[str]:
    """What git has of a top-level folder."""
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if not name.endswith(".gitkeep")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
    (file,) = folder.glob("voipsms-*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


@pytest.mark.parametrize("folder", ["sql", "plugins"])
def test_wheel_holds(folder: str, wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {f"voipsms/{name}" for name in shipped(folder)} <= names


@pytest.mark.parametrize("folder", ["sql", "plugins"])
def test_found_in_checkout(folder: str) -> None:
    assert resources.resource(folder) == ROOT / folder


def test_found_in_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = "from voipsms.resources import resource; print(resource('plugins'))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(ran.stdout.strip()) == tmp_path / "voipsms" / "plugins"


def test_missing_is_told() -> None:
    with pytest.raises(FileNotFoundError, match="sql/nothing is missing"):
        resources.resource("sql/nothing")
