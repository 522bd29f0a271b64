"""What was submitted to an SMSC simulator: the last of it in memory, all of it in a file of JSON lines."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Final, TextIO

from voipsms.smpp.pdu import MESSAGE_PAYLOAD, Pdu, ShortMessage
from voipsms.values import Value, field_names

MOST: Final = 100_000  # submits in memory


class Submit(Value, frozen=True):
    """One message as it came, a destination each, and what was answered; `id` is empty where it was not taken."""

    time: float
    command: str
    source: str
    destination: str
    esm_class: int
    data_coding: int
    registered: int
    user_data: str  # hexadecimal, user data header included
    id: str
    status: str  # empty: no answer
    source_ton_npi: str  # 5/0
    dest_ton_npi: str
    service_type: str
    protocol_id: int
    priority_flag: int
    schedule_delivery_time: str
    validity_period: str
    tlvs: dict[str, str]  # hexadecimal tags and values, but message_payload


class SubmitLog:
    """`name`: of the file; empty: none."""

    def __init__(self, name: str) -> None:
        self.submits: deque[Submit] = deque(maxlen=MOST)
        self._name = name
        self._file: TextIO | None = None
        self._waits = False  # for its flush

    def open(self) -> None:
        """Raises OSError."""
        if self._name:
            self._file = open(self._name, "a", encoding="utf-8")  # noqa: SIM115  # close() closes it

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, pdu: Pdu, body: ShortMessage, message_id: str, answer: str) -> None:
        user_data = body.short_message or pdu.tlv(MESSAGE_PAYLOAD) or b""
        submit = Submit(
            time.time(),
            pdu.name,
            body.source_addr,
            body.destination_addr,
            body.esm_class,
            body.data_coding,
            body.registered_delivery,
            user_data.hex(),
            message_id,
            answer,
            f"{body.source_addr_ton}/{body.source_addr_npi}",
            f"{body.dest_addr_ton}/{body.dest_addr_npi}",
            body.service_type,
            body.protocol_id,
            body.priority_flag,
            body.schedule_delivery_time,
            body.validity_period,
            {f"{tag:04x}": value.hex() for tag, value in pdu.tlvs if tag != MESSAGE_PAYLOAD},
        )
        self.submits.append(submit)
        if self._file is not None:
            self._file.write(json.dumps({name: getattr(submit, name) for name in field_names(submit)}) + "\n")
            if not self._waits:
                self._waits = True
                asyncio.get_running_loop().call_soon(self._flush)  # one for all that came at once

    def _flush(self) -> None:
        self._waits = False
        if self._file is not None and not self._file.closed:
            self._file.flush()
