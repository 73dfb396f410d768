"""A project's customer: an opaque id that stands for its user everywhere, so that what names the person can be shredded."""

from uuid import UUID

from domain.derived import digits

_NAMESPACE = UUID("6f2a6a4e-5c0c-5b60-9a8e-3d0c3f6a7b11")


def customer_id(project_id: str, user_id: str) -> str:
    """The same for the same user of the same project, and of no other: `cus_` and 32 hexadecimal digits."""
    return f"cus_{digits(_NAMESPACE, f'{project_id}/{user_id}')}"
