"""Every read model there is."""

from projections import audit, credits, payments, projects, subscriptions
from projections.read_model import ReadModel

READ_MODELS: tuple[ReadModel, ...] = (payments, subscriptions, credits, projects, audit)
