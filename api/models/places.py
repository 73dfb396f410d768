"""What stands in a path: ids that have a form, so that anything else is refused before it is looked for."""

from typing import Annotated

from pydantic import StringConstraints

from api.models.fields import RequestModel, UserId

ProjectId = Annotated[str, StringConstraints(pattern=r"^prj_[0-9a-f]{32}$")]
PaymentId = Annotated[str, StringConstraints(pattern=r"^pay_[0-9a-f]{32}$")]
HoldId = Annotated[str, StringConstraints(pattern=r"^hold_[0-9a-f]{32}_[0-9a-f]{32}$")]
SubscriptionId = Annotated[str, StringConstraints(pattern=r"^sub_[0-9a-f]{32}$")]
UsageId = Annotated[str, StringConstraints(pattern=r"^usg_[0-9a-f]{32}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^key_[0-9a-f]{24}$")]


class ProjectPlace(RequestModel):
    project_id: ProjectId


class KeyPlace(ProjectPlace):
    key_id: KeyId


class PaymentPlace(RequestModel):
    payment_id: PaymentId


class HoldPlace(RequestModel):
    hold_id: HoldId


class SubscriptionPlace(RequestModel):
    subscription_id: SubscriptionId


class UsagePlace(RequestModel):
    usage_id: UsageId


class UserPlace(RequestModel):
    user_id: UserId
