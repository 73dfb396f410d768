"""What Stripe is asked for to change a subscription: which call, and with what."""

from dataclasses import dataclass
from typing import Any, Literal

from stripe.params import SubscriptionUpdateParams, SubscriptionUpdateParamsItem

from domain.subscription.changes import Action, Proration, Wanted
from gateways.stripe.translation import subscriptions
from gateways.stripe.translation.fields import Plain, text

Call = Literal["update", "cancel", "resume"]

_PRORATIONS: dict[Proration, Literal["always_invoice", "create_prorations", "none"]] = {
    Proration.INVOICE_NOW: "always_invoice",
    Proration.NEXT_INVOICE: "create_prorations",
    Proration.NONE: "none",
}


@dataclass(frozen=True, slots=True)
class ChangeCall:
    """One call about a subscription. As JSON: `{"call", "subscription", "params"}`."""

    call: Call
    subscription: str
    params: Any

    @classmethod
    def of(cls, subscription: Plain, wanted: Wanted) -> "ChangeCall":
        """What brings a subscription, as it stands at Stripe, to what is wanted."""
        call, params = _call(subscription, wanted)
        return cls(call, text(subscription, "id"), params)

    def as_json(self) -> dict[str, Any]:
        return {"call": self.call, "subscription": self.subscription, "params": self.params}


def _call(subscription: Plain, wanted: Wanted) -> tuple[Call, SubscriptionUpdateParams]:
    """Literal, so that types are checked against the SDK's."""
    match wanted.action:
        case Action.CANCEL:
            return "cancel", {}
        case Action.CANCEL_AT_PERIOD_END:
            return "update", {"cancel_at_period_end": True}
        case Action.PAUSE:
            return "update", {"pause_collection": {"behavior": "void"}}
        case Action.RESUME:
            return ("resume", {}) if subscription.get("status") == "paused" else ("update", _going_on(subscription))
        case Action.CHANGE:
            return "update", _changed(subscription, wanted)


def _going_on(subscription: Plain) -> SubscriptionUpdateParams:
    params: SubscriptionUpdateParams = {}
    if subscription.get("pause_collection") is not None:
        params["pause_collection"] = ""
    if subscription.get("cancel_at_period_end") is True:
        params["cancel_at_period_end"] = False
    elif subscription.get("cancel_at") is not None:
        params["cancel_at"] = ""
    return params


def _changed(subscription: Plain, wanted: Wanted) -> SubscriptionUpdateParams:
    """What cannot be paid for at once does not happen: a plan must not change to one that is past due from its first day."""
    item: SubscriptionUpdateParamsItem = {"id": subscriptions.item_id(subscription)}
    if wanted.price_id is not None:
        item["price"] = wanted.price_id
    if wanted.quantity is not None:
        item["quantity"] = wanted.quantity
    assert wanted.proration is not None, "said with every change"
    return {
        "items": [item],
        "proration_behavior": _PRORATIONS[wanted.proration],
        "payment_behavior": "error_if_incomplete",
    }
