"""Maven Central: what Kafka consists of, as jgo resolves it, and its jars, each fetched from where it is known to be.

`python -m sandbox.maven` asks anew what Kafka consists of and prints the list for `jars.sha256`: set KAFKA to the
version wanted, run it, look at the difference. Neither Maven nor a system's Java is needed.
"""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Endpoint

from sandbox.artifact import Jar, sha256

# slf4j-simple, because log4j's binding to slf4j drags in Kafka clients of another version, and the broker dies.
KAFKA = "org.apache.kafka:kafka_2.13:4.1.0+org.slf4j:slf4j-simple:1.7.36"

_TIMEOUT_SECONDS = 20
_DOWNLOADS_AT_ONCE = 12


def repository_url() -> str:
    """Maven Central, or the mirror that the user's own jgo configuration gives under the name `central`."""
    return GlobalSettings.load().repositories.get("central", MAVEN_CENTRAL_URL).rstrip("/")


def download(jars: Iterable[Jar], folder: Path) -> Iterator[tuple[Jar, Path]]:
    """Fetch jars into this folder, many side by side, and give them in their order. Raises OSError where one cannot be had.

    jgo would ask for more than the jar, and take six times as long. Where a jar lies is Maven's repository layout
    (https://maven.apache.org/repository/layout.html).
    """
    with (
        httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True) as central,
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as downloads,
    ):
        repository = repository_url()
        pending = [(jar, downloads.submit(_fetch, central, repository, jar, folder)) for jar in jars]
        for jar, fetched in pending:
            yield jar, fetched.result()


def resolve() -> list[Jar]:
    """Ask what Kafka consists of, all dependencies included, and hash every jar."""
    with TemporaryDirectory() as cache:
        remotes = {"central": repository_url()}
        context = MavenContext(PythonResolver(), repo_cache=Path(cache), remote_repos=remotes, timeout=_TIMEOUT_SECONDS)
        wanted = [context.create_dependency(coordinate) for coordinate in Endpoint.parse(KAFKA).coordinates]
        named, further = context.resolver.resolve(wanted)
        artifacts = [dependency.artifact for dependency in (*named, *further)]
        jars = [Jar(sha256(one.resolve()), one.groupId, one.artifactId, one.version) for one in artifacts]
    return sorted(jars, key=lambda jar: (jar.group, jar.artifact))


def _fetch(central: httpx.Client, repository: str, jar: Jar, folder: Path) -> Path:
    path = folder / jar.filename
    try:
        with central.stream("GET", f"{repository}/{_place(jar)}") as answer, path.open("wb") as file:
            answer.raise_for_status()
            file.writelines(answer.iter_bytes())
    except httpx.HTTPError as error:
        raise ConnectionError(f"{jar.filename}: {error or type(error).__name__}") from error
    return path


def _place(jar: Jar) -> str:
    return f"{jar.group.replace('.', '/')}/{jar.artifact}/{jar.version}/{jar.filename}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{jar}\n" for jar in resolve())
