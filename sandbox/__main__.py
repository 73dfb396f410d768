"""`python -m sandbox`: the local platform from the command line, whole or one server at a time."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

import sandbox
from sandbox import kafka as broker
from sandbox.addresses import LOOPBACK, free_port
from sandbox.environment import CHECKOUT, Folders, Secrets, of_running
from sandbox.errors import SandboxError, StopAsked
from sandbox.jars import are_here
from sandbox.part import Part
from sandbox.platform import Platform
from sandbox.postgres import Postgres
from sandbox.supervisor import Supervisor

app = typer.Typer(add_completion=False, no_args_is_help=True, help=sandbox.__doc__)
console = Console(highlight=False)

Data = Annotated[
    Path | None, typer.Option(envvar="TILLSTREAM_DATA", help="Where data is kept between runs; default: .run/data.")
]
Port = Annotated[int, typer.Option(envvar="TILLSTREAM_PORT", min=0, max=65535, help="The API's port; 0: a free one.")]


@app.command()
def up(data: Data = None, port: Port = 8000) -> None:
    """Start everything, say where it is, and run until Ctrl-C."""
    platform = Platform(Folders.of_checkout(data), port=port, say=_say)
    _stop_on_signals(platform.parts)
    with _sentences_for_errors():
        _say_what_takes_long()
        with platform:
            _describe(platform)
            _train_beside(platform.parts, unless=not platform.runs("kafka"))
            platform.parts.wait()


@app.command()
def demo(data: Data = None) -> None:
    """Take one payment through the running parts, print what happened, and leave. Starts them if they do not run."""
    from sandbox.demo import Demo  # With the Kafka client's many modules: the other commands start faster without them.

    folders = Folders.of_checkout(data)
    with _sentences_for_errors():
        if running := of_running(folders):
            Demo(running, console).tell()
            return
        _say_what_takes_long()
        platform = Platform(folders, say=_say)
        _stop_on_signals(platform.parts)
        with platform:
            Demo(platform.environment, console).tell()


@app.command()
def year() -> None:
    """Live through a year of one subscription on a platform of its own, print the audit trail, and leave."""
    from sandbox.year import tell

    with _sentences_for_errors(), tempfile.TemporaryDirectory(prefix="tillstream-year-") as folder:
        _say_what_takes_long()
        platform = Platform(Folders(Path(folder) / "run", Path(folder) / "data"), say=_say)
        _stop_on_signals(platform.parts)
        with platform:
            tell(platform.environment, console)


@app.command()
def postgres(data: Data = None) -> None:
    """Run PostgreSQL alone until Ctrl-C."""
    folders = Folders.of_checkout(data)
    server = Postgres(folders.data / "postgres", free_port())
    _run_alone(folders, server.part(), lambda: f"DATABASE_URL={server.url}")


@app.command()
def kafka(data: Data = None) -> None:
    """Run Kafka alone until Ctrl-C."""
    folders = Folders.of_checkout(data)
    server = broker.Kafka(folders.data / "kafka", free_port(), free_port())
    _run_alone(folders, server.part(), lambda: f"KAFKA_BOOTSTRAP_SERVERS={server.bootstrap_servers}")


@app.command()
def stripe(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Its data folder; default: .run/data/stripe.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Where it delivers its webhooks.")] = None,
    webhook_secret: Annotated[str | None, typer.Option(help="What it signs them with; default: the kept one.")] = None,
    api_key: Annotated[str | None, typer.Option(help="The key it accepts; default: the kept one.")] = None,
    host: Annotated[str, typer.Option(help="Where it listens.")] = LOOPBACK,
    public_url: Annotated[str | None, typer.Option(help="Where browsers reach it, when that is elsewhere.")] = None,
) -> None:
    """Run the Stripe look-alike alone until Ctrl-C."""
    from sandbox.stripe import server  # With what it needs: the other commands start faster without it.

    folders = Folders.of_checkout()
    port = port or free_port()
    if not (webhook_secret and api_key):
        secrets = Secrets.kept_in(folders.data)
        webhook_secret = webhook_secret or secrets.stripe_webhook_secret
        api_key = api_key or secrets.stripe_secret_key
    console.print(f"STRIPE_API_BASE=http://{LOOPBACK}:{port}", f"STRIPE_SECRET_KEY={api_key}", sep="\n")
    console.print(f"STRIPE_WEBHOOK_SECRET={webhook_secret}", "Ctrl-C ends it.", sep="\n")
    folder = data or folders.data / "stripe"
    server.run(port, folder, webhook_url, webhook_secret, api_key, host=host, public_url=public_url)


@app.command()
def train() -> None:
    """Make the cache that more than halves Kafka's start, unless it is there. `up` does this by itself, once."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that nothing half-made is left.
    os.nice(19)
    with _sentences_for_errors():
        if not broker.is_trained():
            broker.train()


def _run_alone(folders: Folders, server: Part, address: Callable[[], str]) -> None:
    parts = Supervisor(folders.logs, _say)
    _stop_on_signals(parts)
    with _sentences_for_errors(), parts:
        if server.name == "kafka":
            _say_what_takes_long()
        parts.start(server)
        console.print(address(), "Ctrl-C ends it.", sep="\n", soft_wrap=True)
        _train_beside(parts, unless=server.name != "kafka")
        parts.wait()


def _say_what_takes_long() -> None:
    if not are_here():
        _say("Fetching Apache Kafka, 44 MB; this is needed once.")


def _train_beside(parts: Supervisor, *, unless: bool) -> None:
    if not unless and not broker.is_trained():
        parts.run_beside(broker.training())


def _describe(platform: Platform) -> None:
    environment = platform.environment
    places = {
        "API": f"{platform.url}/api/v1",
        "its page": f"{platform.url}/docs",
        "Stripe": f"{environment['STRIPE_API_BASE']}{' (our look-alike)' if platform.runs('stripe') else ''}",
        "Postgres": environment["DATABASE_URL"],
        "Kafka": environment["KAFKA_BOOTSTRAP_SERVERS"],
        "variables": str(_from_here(platform.folders.env)),
        "logs": str(_from_here(platform.folders.logs)),
    }
    console.print("\n[bold green]Tillstream is up.[/bold green] Ctrl-C ends it.\n")
    for name, place in places.items():
        console.print(Text.assemble((f"  {name:<11}", "bold"), place), soft_wrap=True)
    console.print("\nIn another terminal:\n", _first_call(platform), sep="\n", soft_wrap=True, markup=False)


def _first_call(platform: Platform) -> str:
    # Not exported: a later `up` in that terminal would take the servers named there for servers of the user's own.
    return f"""\
  . {_from_here(platform.folders.env)}
  curl "$TILLSTREAM_URL/api/v1/projects" -H "Authorization: Bearer $TILLSTREAM_OPERATOR_TOKEN" \\
    -H "Content-Type: application/json" -d '{{
    "name": "Bookshop", "domain": "bookshop.example", "default_currency": "usd",
    "success_url": "https://bookshop.example/thanks", "cancel_url": "https://bookshop.example/cart",
    "products": [{{"id": "ebook", "name": "E-book", "type": "one_time", "price_id": "price_ebook"}}]}}'
"""


def _from_here(path: Path) -> Path:
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) and Path.cwd() == CHECKOUT else path


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, soft_wrap=True)


@contextmanager
def _sentences_for_errors() -> Iterator[None]:
    """Show what went wrong as a sentence and end with an exit code that is not zero."""
    try:
        yield
    except StopAsked as stopped:
        _say(str(stopped))
        raise typer.Exit(130) from stopped
    except SandboxError as error:
        Console(stderr=True, highlight=False).print(str(error), markup=False, soft_wrap=True, style="red")
        raise typer.Exit(1) from error


def _stop_on_signals(parts: Supervisor) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end the run in good order; a second one kills what has not ended yet.

    A handler interrupts the main thread anywhere, also where that holds the lock that stopping needs. So it only
    wakes a thread that does the rest.
    """
    wake, woken = os.pipe()

    def stop_when_woken() -> None:
        while os.read(wake, 1):
            _say("Stopping …")
            parts.ask_to_stop()

    threading.Thread(target=stop_when_woken, name="signals", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(woken, b"!"))


if __name__ == "__main__":
    app()
