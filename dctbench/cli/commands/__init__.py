"""One module per command: parse the flags into a request, call one function of app/, print the outcome."""
