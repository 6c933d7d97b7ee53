"""What goes to standard output: results, verdicts and records, in every format."""
