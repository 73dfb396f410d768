"""Every read model there is."""

from projections import audit, credits, payments, projects
from projections.read_model import ReadModel

READ_MODELS: tuple[ReadModel, ...] = (payments, credits, projects, audit)
