"""`python -m migrations up`: bring the database that DATABASE_URL names to the newest shape."""

import os
import sys

import typer

import migrations

app = typer.Typer(add_completion=False, no_args_is_help=True, help=migrations.__doc__)


@app.callback()
def _root() -> None:
    pass


@app.command()
def up() -> None:
    """Apply every migration that is missing. Safe to run again, and by several at once."""
    database_url = os.environ.get("DATABASE_URL")
    if not database_url:
        sys.exit("DATABASE_URL is not set; it names the Postgres database, as postgresql://user:password@host/name.")
    applied = migrations.up(database_url)
    typer.echo(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")


if __name__ == "__main__":
    app()
