"""`python -m tests.consumers.poisoned_projector`: a projector that stumbles over one fact of the audit trail, or dies of it.

$POISON is the fact's event id, $POISON_KILLS whether it kills.
"""

import os
import signal
from uuid import UUID

from consumers import __main__ as consumers
from projections import audit
from projections.catalog import READ_MODELS
from tests.projections.poison import Poisoned, stumble


def main() -> None:
    model = Poisoned(audit, (lambda _cursor: die()) if os.environ.get("POISON_KILLS") else stumble)
    model.poison.add(UUID(os.environ["POISON"]))
    vars(consumers)["READ_MODELS"] = tuple(model if each is audit else each for each in READ_MODELS)
    consumers.projector()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
