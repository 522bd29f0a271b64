"""What is said to who has sent a command: short enough for one part of the GSM alphabet, in one table."""

from __future__ import annotations

from typing import Final

REPLIES: Final = {
    "callback": "We are calling {first}.",
    "p2p": "We are calling {first}, then {second}.",
    "code_sent": "A code was sent to {number}. Send it from there, or send: n {number} CODE",
    "registered": "{number} is registered for you.",
    "known": "{number} is registered for you already.",
    "credited": "{amount} {currency} were added. Balance: {balance} {currency}.",
    "given": "{amount} {currency} were added for {number}.",
    "balance": "Your balance is {balance} {currency}.",
    "rating": "To {number}: SMS {sms}, call {call} a minute, {currency}.",
    "rating_sms": "To {number}: SMS {sms} {currency}. Calls there have no price.",
    "cli": "Your numbers: {numbers}",
    "no_cli": "You have no registered number.",
    "refused": "Not done: {why}.",
    "wrong": "Not accepted. Check the command, the number that you send from, and your credentials.",
    "interrupted": "Your command may not have been carried out. Please send it again if it was not.",
    "code": "{code} is your code for registering this number. Keep it to yourself.",
    "message_refused": "Your message was not sent: {why}.",
}
MOST_NUMBERS: Final = 8  # that `cli` lists


def say(name: str, **values: object) -> str:
    return REPLIES[name].format_map(values)
