"""What can go wrong with the local platform, each as a sentence for the person at the console."""


class SandboxError(Exception):
    """The local platform cannot go on. The message says why and what to do, so no traceback is shown."""


class PartFailed(SandboxError):
    """A part did not come up, or died. The message ends with the last lines of its log."""


class StopAsked(SandboxError):
    """Somebody asked the platform to stop while it was still starting."""

    def __init__(self) -> None:
        super().__init__("Stopped before everything was up.")
