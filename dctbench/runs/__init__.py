"""Stored runs as users name and see them: lookup, long table, data frame."""
