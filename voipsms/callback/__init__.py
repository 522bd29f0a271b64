"""SMS callback: a text that makes calls. Seeds/002, "SMS callback"."""
