"""The terminal itself: streams, width, progress, notices and signals."""
