"""Values to text and text to values, and limits on text from elsewhere."""
