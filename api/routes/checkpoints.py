"""What checkpoints of the log are checked with: the public keys, open to all readers."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.models.checkpoints import SigningKeys
from api.operations import Operation
from api.state import State
from eventlog import signatures
from eventlog.signatures import PublicKey

_KEYS = "SELECT public_key FROM store.signing_keys ORDER BY first_used_at, kid"


async def show_keys(request: Request[State]) -> Response:
    """Show the public keys of signed checkpoints, as a JSON Web Key Set. There are none where nothing is signed."""
    async with request.state["reads"].connection() as connection:
        rows = await (await connection.execute(_KEYS)).fetchall()
    return JSONResponse(signatures.jwks(PublicKey(raw) for (raw,) in rows))


OPERATIONS = (
    Operation(
        method="GET", path="/checkpoints/keys", endpoint=show_keys, tag="Checkpoints", answers={200: SigningKeys}
    ),
)
