"""The one shape of every error."""

from typing import Annotated

from pydantic import BaseModel, Field

from domain.errors import ErrorType


class ErrorBody(BaseModel):
    """Why it was refused, and what to do about it."""

    type: Annotated[ErrorType, Field(description="The sort of error: decide by it what to do.")]
    code: Annotated[str, Field(description="The exact error: a stable word.", examples=["product_not_found"])]
    message: Annotated[str, Field(description="What is wrong and what to do, for a person.")]
    param: Annotated[str | None, Field(description="The field or header that it is about.")]
    details: Annotated[dict[str, str | int | None], Field(description="More about it; for a body, each wrong field.")]
    retry_after: Annotated[int | None, Field(description="Seconds after which asking again can help.")]
    request_id: Annotated[str, Field(description="The id of this request, as in the header `Request-Id`.")]


class ErrorAnswer(BaseModel):
    error: ErrorBody
