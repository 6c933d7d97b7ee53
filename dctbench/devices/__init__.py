"""The kinds of device: how to wait for one, read its memory, describe it, and tell its out-of-memory error."""
