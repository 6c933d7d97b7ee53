"""The HTML report: one self-contained file, rendered from stored results."""
