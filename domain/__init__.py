"""What may happen to money, as pure functions: facts, state, `evolve`, decisions. Standard library only; no clock, no I/O."""
