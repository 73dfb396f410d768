"""The keys that checkpoints are signed with, as they are shown."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class SigningKey(BaseModel):
    """An Ed25519 key as a JSON Web Key (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: Annotated[str, Field(description="The key's 32 bytes in base64url.")]
    kid: Annotated[str, Field(description="Its thumbprint (RFC 7638), which every signature names.")]
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = "EdDSA"


class SigningKeys(BaseModel):
    """A JSON Web Key Set (RFC 7517): every key that ever signed a checkpoint, the oldest first."""

    keys: list[SigningKey]
