"""The shipped suites: what a sweep measures, one TOML file each."""
