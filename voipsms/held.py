"""Which lines of deliveries wait in the table, and until when: what comes after them has to wait behind them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from voipsms.model import Channel, Millis, UserId
from voipsms.store.outbox import Line


class Held:
    """As the table had it when it was looked at last, and what this process has held back since."""

    def __init__(self) -> None:
        self._lines: dict[UserId, dict[Line, Millis]] = {}
        self._new: dict[Line, Millis] = {}  # since the look at the table began that is under way

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def users(self) -> Collection[UserId]:
        return self._lines.keys()

    def hold(self, line: Line, due: Millis) -> None:
        self._lines.setdefault(line[0], {})[line] = due
        self._new[line] = due

    def until(self, line: Line) -> Millis | None:
        """When the last one of this line is due."""
        lines = self._lines.get(line[0])
        return lines.get(line) if lines is not None else None

    def has_chat(self, user_id: UserId) -> bool:
        return any(channel is Channel.CHAT for _, channel, _ in self._lines.get(user_id, ()))

    def release(self, line: Line, until: Millis) -> None:
        """Nothing of this line waits in the table any more, unless it is due later than that."""
        lines = self._lines.get(line[0])
        if lines is None or lines.get(line, until) > until:
            return
        lines.pop(line, None)
        self._new.pop(line, None)
        if not lines:
            del self._lines[line[0]]

    def look(self) -> None:
        """The table is about to be looked at."""
        self._new = {}

    def found(self, lines: Mapping[Line, Millis]) -> None:
        """What was in the table."""
        self._lines = {}
        for line, due in {**lines, **self._new}.items():
            self._lines.setdefault(line[0], {})[line] = due
