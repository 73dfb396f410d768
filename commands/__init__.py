"""What callers may ask for, and how it is recorded. Not a command line."""
