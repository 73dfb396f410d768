"""Identifiers as Stripe makes them: a prefix that says what it is, then letters and digits."""

import random
import string

ALPHABET = string.ascii_letters + string.digits
LENGTH = 24
SESSION_LENGTH = 58
CHANCE = random.SystemRandom()


def new_id(prefix: str) -> str:
    """`new_id("pi")` → `pi_…`."""
    return f"{prefix}_{random_text(SESSION_LENGTH if prefix == 'cs_test' else LENGTH)}"


def random_text(length: int) -> str:
    return "".join(CHANCE.choices(ALPHABET, k=length))
