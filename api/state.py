"""What every request finds at hand: the services that the process was built with, and the id of the request itself."""

from typing import TypedDict

from api.in_flight import InFlight
from api.project_cache import ProjectCache
from commands.notices import Notices
from commands.open_requests import OpenRequests
from commands.ports import EventStore
from eventlog.feed import Feed
from gateways.port import Gateway
from projections.generations import LiveGenerations
from projections.lookups import Coalesced
from projections.payments import PaymentRow, PaymentStanding
from runtime.postgres import Pool
from vault.port import Vault


class Services(TypedDict):
    """Built once per process.

    `patient_gateway` is the gateway for what nobody waits for. `reads` is the pool for read models and health, apart from the
    store's own; `live` says which tables answer; `payments` gets one payment's row, `standings` how it stands in short, each
    together with all that are asked for at the same moment; `feed` is the log as projects pull it.
    """

    store: EventStore
    gateway: Gateway
    patient_gateway: Gateway
    vault: Vault
    open_requests: OpenRequests
    notices: Notices
    reads: Pool
    live: LiveGenerations
    payments: Coalesced[str, PaymentRow]
    standings: Coalesced[str, PaymentStanding]
    feed: Feed
    projects: ProjectCache
    in_flight: InFlight
    operator_token: str
    url: str


class State(Services):
    """`Request[State]`: the services, and what this request is called in logs, facts and answers.

    `shows_parked`: something of the project is parked in the read model that answers.
    """

    request_id: str
    shows_parked: bool
