"""DTMF tones in audio (ITU-T Q.23, Q.24), for telephones that don't send digits as RFC 4733 events.

Pure: 16-bit samples at 8,000 Hz in, digits out. Goertzel's algorithm looks at eight frequencies in blocks of 12.8 ms;
a digit counts when two blocks in a row have it, and again after a pause of two.
"""

from __future__ import annotations

import math
from array import array
from operator import mul
from typing import Final

RATE: Final = 8000  # samples a second
BLOCK: Final = 102  # samples: narrow enough to part neighbouring tones, short enough for tones of 40 ms (Q.24)
_ROWS: Final = (697, 770, 852, 941)
_COLUMNS: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_LEAST: Final = 200.0**2  # mean square of a block below which there is silence
_SHARE: Final = 0.55  # of a block's power that the two tones hold
_TWIST: Final = 6.3  # between the powers of the two tones: 8 dB (Q.24)


def _waves(frequency: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    step = 2 * math.pi * frequency / RATE
    return tuple(math.cos(step * n) for n in range(BLOCK)), tuple(math.sin(step * n) for n in range(BLOCK))


_WAVES: Final = tuple(_waves(frequency) for frequency in (*_ROWS, *_COLUMNS))


class Detector:
    """Of one telephone's audio."""

    def __init__(self) -> None:
        self._samples = array("h")
        self._last = ""  # the key of the last block
        self._told = ""  # the digit that is being held
        self._silence = 0  # blocks since it was

    def feed(self, octets: bytes) -> str:
        """Whole samples, little-endian; returns the digits that have begun in them."""
        self._samples.frombytes(octets)
        digits, begin = "", 0
        while begin + BLOCK <= len(self._samples):
            digits += self._block(self._samples[begin : begin + BLOCK])
            begin += BLOCK
        del self._samples[:begin]
        return digits

    def _block(self, samples: array[int]) -> str:
        key, before = _key(samples), self._last
        self._last = key
        if key and key == self._told:
            self._silence = 0
        elif key and key == before:
            self._told, self._silence = key, 0
            return key
        elif not key:
            self._silence += 1
            if self._silence >= 2:
                self._told = ""
        return ""


def _key(samples: array[int]) -> str:
    power = sum(map(mul, samples, samples))
    if power < _LEAST * BLOCK:
        return ""
    powers = [sum(map(mul, samples, cosine)) ** 2 + sum(map(mul, samples, sine)) ** 2 for cosine, sine in _WAVES]
    row, column = max(range(4), key=powers.__getitem__), max(range(4, 8), key=powers.__getitem__)
    low, high = powers[row], powers[column]
    # A pure tone of amplitude a has a power of a² BLOCK / 2, and (a BLOCK / 2)² here.
    if (low + high) * 2 / BLOCK < _SHARE * power or max(low, high) > _TWIST * min(low, high):
        return ""
    return _KEYS[row][column - 4]
