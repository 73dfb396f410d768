"""`python -m tests.crash.steps STEP TIMES MODULE ARGUMENTS…`: a process of the service that kills itself at a named step.

The product knows nothing of this: the function that stands at the step is wrapped here, before the process begins.
"""

import functools
import importlib
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, Literal, NamedTuple


class Step(NamedTuple):
    """Before or after which call of which process death comes."""

    process: str
    when: Literal["before", "after"]
    where: str  # module:name or module:class.name
    called_from: tuple[str, ...] = ()  # modules that took the name over by `from … import …`


STEPS: Mapping[str, Step] = {
    "before the commit": Step("api", "before", "commands.store.append:append", ("commands.store.writing",)),
    "after the commit": Step("api", "after", "commands.store.append:append", ("commands.store.writing",)),
    "before numbering": Step("publisher", "before", "commands.publisher.numbering:number"),
    "after numbering": Step("publisher", "after", "commands.publisher.numbering:number"),
    "before sending": Step("publisher", "before", "commands.publisher.sending:Sender.hand_over"),
    "after sending": Step("publisher", "after", "commands.publisher.sending:Sender.hand_over"),
    "after the acknowledgement": Step("publisher", "before", "commands.publisher.epoch:note_checkpoint"),
    "after the publisher's checkpoint": Step("publisher", "after", "commands.publisher.epoch:note_checkpoint"),
    "before folding": Step("projector", "before", "projections.folding:fold"),
    "between checkpoint and fold": Step("projector", "after", "projections.checkpoints:advance"),
    "between fold and commit": Step("projector", "after", "projections.audit:apply"),
    "after the fold's commit": Step("projector", "after", "projections.folding:fold"),
}


def arm(step: Step, times: int) -> None:
    """Let this process die at the `times`-th call. Raises AttributeError where the step is not there any more."""
    module_name, _, name = step.where.partition(":")
    owner: Any = importlib.import_module(module_name)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    deadly = _deadly(getattr(owner, last), step.when, times)
    setattr(owner, last, deadly)
    for user in step.called_from:
        module = importlib.import_module(user)
        assert hasattr(module, last), f"{user} does not import {last} any more"
        setattr(module, last, deadly)


def _deadly(function: Callable[..., Any], when: str, times: int) -> Callable[..., Any]:
    left = times

    def count_down(now: str) -> None:
        nonlocal left
        if now == when:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if iscoroutinefunction(function):

        @functools.wraps(function)
        async def asynchronous(*arguments: Any, **named: Any) -> Any:
            count_down("before")
            result = await function(*arguments, **named)
            count_down("after")
            return result

        return asynchronous

    @functools.wraps(function)
    def synchronous(*arguments: Any, **named: Any) -> Any:
        count_down("before")
        result = function(*arguments, **named)
        count_down("after")
        return result

    return synchronous


if __name__ == "__main__":
    _, name, times, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    arm(STEPS[name], int(times))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
