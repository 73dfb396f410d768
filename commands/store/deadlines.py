"""Which moments a fact names at which somebody must come and record what follows: mostly what time alone has changed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.usage.events import UsageRecorded
from domain.wallet.events import CreditsGranted, CreditsHeld, CreditsPurchased

_SECOND = timedelta(seconds=1)


def due_times(event: object) -> Sequence[datetime]:
    """When somebody should look at this event's stream: in the whole second after which what it began is over."""
    match event:
        case CreditsHeld() | CreditsPurchased() | CreditsGranted():
            return () if event.expires_at is None else (_whole_second(event.expires_at),)
        case UsageRecorded():  # To be reported, as soon as it was used.
            return (_whole_second(event.used_at),)
        case _:
            return ()


def _whole_second(moment: datetime) -> datetime:
    """Rounded up, so that a stream in which much ends has one deadline a second."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + _SECOND
