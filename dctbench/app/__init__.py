"""What a user does, one module each: a function takes a typed request and returns an outcome. Nothing here prints."""
