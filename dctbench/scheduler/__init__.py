"""In which order cases run, how long they will take, and what becomes of their results."""
