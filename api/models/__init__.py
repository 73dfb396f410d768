"""What callers send and what they get, as types: they check requests, and /openapi.json is made from them."""
