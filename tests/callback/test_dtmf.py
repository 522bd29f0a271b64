"""Digits in audio."""

import math
import random
from array import array

import pytest

from voipsms.callback.dtmf import RATE, Detector

ROWS, COLUMNS, KEYS = (697, 770, 852, 941), (1209, 1336, 1477, 1633), ("123A", "456B", "789C", "*0#D")


def tones(*frequencies: float, milliseconds: int, loud: float = 8000) -> bytes:
    count = RATE * milliseconds // 1000
    each = loud / max(1, len(frequencies))
    return array(
        "h", (round(sum(each * math.sin(2 * math.pi * f * n / RATE) for f in frequencies)) for n in range(count))
    ).tobytes()


def pressed(digits: str, tone: int = 80, pause: int = 80, loud: float = 8000) -> bytes:
    octets = b""
    for digit in digits:
        row = next(n for n, keys in enumerate(KEYS) if digit in keys)
        octets += tones(ROWS[row], COLUMNS[KEYS[row].index(digit)], milliseconds=tone, loud=loud)
        octets += tones(milliseconds=pause)
    return octets


def heard(octets: bytes, frame: int = 320) -> str:
    detector = Detector()
    return "".join(detector.feed(octets[at : at + frame]) for at in range(0, len(octets), frame))


ALL = "123A456B789C*0#D"
CASES = {
    "every key": (pressed(ALL), ALL),
    "the same key again": (pressed("1100"), "1100"),
    "as short as Q.24 has it": (pressed("159#", tone=45, pause=45), "159#"),
    "held for two seconds": (pressed("7", tone=2000), "7"),
    "quiet": (pressed("258", loud=1200), "258"),
    "loud": (pressed("258", loud=30000), "258"),
    "too quiet": (pressed("258", loud=150), ""),
    "one tone of two": (tones(770, milliseconds=300), ""),
    "a tone of the dial": (tones(425, milliseconds=500), ""),
    "two tones that are no key": (tones(697, 770, milliseconds=300), ""),
    "silence": (bytes(16000), ""),
}


@pytest.mark.parametrize("octets, digits", CASES.values(), ids=CASES)
def test_digits(octets: bytes, digits: str) -> None:
    assert heard(octets) == digits


@pytest.mark.parametrize("frame", [2, 320, 322, 10_000])
def test_frames_of_any_length(frame: int) -> None:
    assert heard(pressed("0472"), frame=frame) == "0472"


def test_noise_is_no_digit() -> None:
    noise = random.Random(7)
    assert heard(array("h", (noise.randint(-8000, 8000) for _ in range(RATE * 5))).tobytes()) == ""


def test_digits_in_noise() -> None:
    noise = random.Random(7)
    clean = array("h", pressed(ALL))
    assert heard(array("h", (sample + noise.randint(-1500, 1500) for sample in clean)).tobytes()) == ALL
