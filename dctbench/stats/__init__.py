"""Numbers in, numbers out: robust statistics, sequential tests, change points."""
