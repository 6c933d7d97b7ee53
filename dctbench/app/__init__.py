"""What a user does, one module each: a typed request comes in, an outcome goes out. Nothing here prints."""
