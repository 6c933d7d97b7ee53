"""Stored results turned into what people and programs read: one module per format."""
