"""An SMS gateway for VoIP softswitches."""

__version__ = "0.1.0"
