"""What to measure and the rules of a check: axes, grids, suites and gates, validated."""
