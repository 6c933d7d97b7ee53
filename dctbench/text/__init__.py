"""Values to words and words to values, and bounds on text from strangers."""
