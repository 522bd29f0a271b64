"""SMPP 3.4, both ends: PDUs, sessions, an ESME client and an SMSC simulator."""
