"""Every read model there is."""

from projections import audit, credits, payments, projects, subscriptions
from projections.read_model import ReadModel

READ_MODELS: tuple[ReadModel, ...] = (payments, subscriptions, credits, projects, audit)


class ReadModelUnknown(Exception):
    """There is none of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no read model {name!r}; there are {', '.join(m.name for m in READ_MODELS)}.")


def named(name: str) -> ReadModel:
    """The read model of that name. Raises `ReadModelUnknown`."""
    for model in READ_MODELS:
        if model.name == name:
            return model
    raise ReadModelUnknown(name)
