"""What shall be measured and by which rules: axes, grids, suites and gates, validated."""
