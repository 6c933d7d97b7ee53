"""Flags that several commands share, and their defaults from pyproject.toml."""
