"""Write stored results in formats that other tools read: one module per format."""
