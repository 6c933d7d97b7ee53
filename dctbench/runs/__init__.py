"""Stored runs as their users name them and see them: look-up, long table, data frame."""
