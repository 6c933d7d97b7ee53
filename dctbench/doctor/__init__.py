"""Is this machine fit to measure on, and can dctbench work here: checks that each end in a remedy."""
