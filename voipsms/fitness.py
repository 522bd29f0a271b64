"""Whether a gateway may be given messages: paused by hand, at its daily cap, taken out after faults and tried again.

Pure: times are arguments, in seconds of one clock. A day is one of UTC.
"""

from __future__ import annotations

from typing import Final

PAUSES: Final = (1.0, 300.0)  # seconds that a gateway is out before it is tried again: at first, at the most


class Fitness:
    """Of one gateway; it outlives reloads. `cap`: parts a day, `most`: faults in a row that take it out; 0: none does.

    `barred`: why nothing new is given to it; empty: it is. `trial`: it gets one message at a time, until one is taken.
    """

    def __init__(self, cap: int = 0, most: int = 0) -> None:
        self.barred = ""
        self.trial = False
        self.hindered = False  # barred, or on trial
        self.faults = 0  # in a row
        self.paused = False
        self.spent = 0  # parts today, by this process
        self._cap, self._most = cap, most
        self._day = 0
        self._elsewhere = 0  # parts today, by others and by this node before
        self._lack = 0  # parts of the message for which the cap left no room
        self._until = 0.0  # it is out so long; 0: it is not
        self._pause = PAUSES[0]
        self._why = ""

    def configure(self, cap: int, most: int) -> None:
        """Other settings are another chance."""
        self._cap, self._most = cap, most
        self._pause, self._until, self.faults, self.trial = PAUSES[0], 0.0, 0, False
        self._settle()

    def _settle(self) -> None:
        if self.paused:
            self.barred = "paused by hand"
        elif self._lack and self._cap and self.spent + self._elsewhere + self._lack > self._cap:
            self.barred = f"the cap of {self._cap} parts a day is reached"
        else:
            self._lack = 0
            self.barred = self._why if self._until else ""
        self.hindered = bool(self.barred) or self.trial

    @property
    def why(self) -> str:
        """Why it is not given all that there is; empty: it is."""
        return self.barred or (f"tried again after {self._why}" if self.trial else "")

    @property
    def capped(self) -> bool:
        return bool(self._lack)

    @property
    def recalls(self) -> bool:
        """Whether even what was about to be submitted is not to be; at the cap it has its share of it."""
        return self.paused or bool(self._until)

    # -- by hand

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self._settle()

    # -- the cap

    def spend(self, parts: int) -> bool:
        """Before a message is submitted; False: its parts would be more than the cap allows today."""
        if not self._cap:
            self.spent += parts
            return True
        if self.spent + self._elsewhere + parts > self._cap:
            self._lack = parts
            self._settle()
            return False
        self.spent += parts
        if self.spent + self._elsewhere >= self._cap:
            self._lack = 1
            self._settle()
        return True

    def refund(self, parts: int) -> None:
        """They were not taken after all."""
        self.spent = max(0, self.spent - parts)
        if self._lack:
            self._settle()

    def count(self, day: int, elsewhere: int) -> None:
        """What others have sent today; a new day begins at 0."""
        if day != self._day:
            self._day, self.spent = day, 0
        self._elsewhere = elsewhere
        if self._cap and not self._lack and self.spent + elsewhere >= self._cap:
            self._lack = 1
        self._settle()

    @property
    def sent(self) -> int:
        """Parts today, by all."""
        return self.spent + self._elsewhere

    # -- faults

    def fault(self, now: float, why: str) -> None:
        self.faults += 1
        if self._until or not self._most or not (self.trial or self.faults >= self._most):
            return
        self._why = f"{self.faults} faults in a row, the last one: {why}"
        self._until, self.trial = now + self._pause, False
        self._pause = min(self._pause * 2, PAUSES[1])
        self._settle()

    def success(self) -> None:
        self._pause, self._until, self.faults, self.trial = PAUSES[0], 0.0, 0, False
        self._settle()

    def look(self, now: float) -> bool:
        """Whether it may be given messages now, or at least one to try it."""
        if self._until and now >= self._until:
            self._until, self.trial = 0.0, True
            self._settle()
        return not self.barred

    def wait(self, now: float) -> float:
        """Seconds until it is tried again; 0: it is not out."""
        return max(0.0, self._until - now)
