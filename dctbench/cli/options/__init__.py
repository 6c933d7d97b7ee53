"""Flags that several commands share, and the defaults that pyproject.toml sets for them."""
