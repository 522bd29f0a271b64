"""Imports go down only, and each third-party library stays behind one module (docs: design, "The house")."""

import ast
import sys
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "voipsms"
LAYERS = (  # from the bottom; only within DECISIONS may a part import its neighbours
    {"", "values"},
    {"errors", "ini", "masking", "model", "resources"},
    {"csv_table", "networks", "providers", "senders", "timetable"},
    {"connectors.port", "gateway_settings", "money", "passwords", "patterns", "rating", "resellers"},
    {"price_file", "settings"},
    {"config"},
    {"log", "metrics"},
    {"tasks"},
    {"reports", "sip", "smpp", "sms"},
    {"carriers.port", "numbers_book"},
    {"connectors", "store"},
    {"carriers"},
    {
        "accept",
        "addressing",
        "adverts",
        "alerts",
        "allowance",
        "cancelling",
        "automatic",
        "conditions",
        "dead_ends",
        "directory",
        "dispatch",
        "effects",
        "fitness",
        "held",
        "house",
        "intake",
        "lanes",
        "least_cost",
        "belonging",
        "expiry",
        "incoming_rules",
        "low_balance",
        "measures",
        "opting_out",
        "outbox",
        "outgoing",
        "preparation",
        "proving",
        "quality",
        "rate_guard",
        "receiving",
        "recovery",
        "retention",
        "rewriting",
        "route_file",
        "routebook",
        "rounds",
        "routing",
        "rulebook",
        "rules",
        "rules_file",
        "stop_words",
        "stops",
        "tariffs",
        "telling",
        "upkeep",
        "verifying",
        "vouchers",
        "ways",
    },
    {"inbound"},
    {"reception"},
    {"callback", "doors", "web"},
    {"entrance"},
    {"gateway"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
DECISIONS = next(names for names in LAYERS if "accept" in names)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in PACKAGE.rglob("*.py")
}


def component(module: str) -> str:
    return module if module in RANK else module.partition(".")[0]


def imported(path: Path) -> set[str]:
    """Full names of the modules that `path` imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {name for name in inner if name.removeprefix("voipsms.") in MODULES}
            found |= known or {str(node.module)}
    return found


@pytest.mark.parametrize("module", sorted(MODULES), ids=lambda name: name or "voipsms")
def test_imports_go_down(module: str) -> None:
    own = component(module)
    assert own in RANK, f"voipsms/{own} has no layer yet: give it one above"
    ours = {name for name in imported(MODULES[module]) if name.split(".")[0] == "voipsms"}
    for other in (component(name.removeprefix("voipsms").lstrip(".")) for name in ours):
        level = other == own or (own in DECISIONS and other in DECISIONS)
        assert level or RANK[other] < RANK[own], f"{module} imports {other}, which is not below it"


def test_one_importer_for_each_library() -> None:
    importers = defaultdict(set)
    for module, path in MODULES.items():
        for name in imported(path):
            if (top := name.split(".")[0]) != "voipsms" and top not in sys.stdlib_module_names:
                importers[top].add(module)
    assert {library: sorted(modules) for library, modules in importers.items() if len(modules) > 1} == {}
