"""Maven Central, through jgo's own resolver: neither Maven nor a system's Java is needed.

`python -m sandbox.maven` asks anew what Kafka consists of and prints the list for `jars.sha256`: set KAFKA to the
version wanted, run it, look at the difference.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Endpoint

from sandbox.artifact import Jar, sha256

# slf4j-simple, because log4j's binding to slf4j drags in Kafka clients of another version, and the broker dies.
KAFKA = "org.apache.kafka:kafka_2.13:4.1.0+org.slf4j:slf4j-simple:1.7.36"


def download(jar: Jar, repository: Path) -> Path:
    """Fetch one jar into this local repository. Raises OSError or RuntimeError when it cannot be had."""
    return _context(repository).project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


def resolve() -> list[Jar]:
    """Ask what Kafka consists of, all dependencies included, and hash every jar."""
    with TemporaryDirectory() as repository:
        context = _context(Path(repository))
        wanted = [context.create_dependency(coordinate) for coordinate in Endpoint.parse(KAFKA).coordinates]
        named, further = context.resolver.resolve(wanted)
        artifacts = [dependency.artifact for dependency in (*named, *further)]
        jars = [Jar(sha256(one.resolve()), one.groupId, one.artifactId, one.version) for one in artifacts]
    return sorted(jars, key=lambda jar: (jar.group, jar.artifact))


def _context(repository: Path) -> MavenContext:
    """Maven Central, or the mirror that the user's own jgo configuration gives under the name `central`."""
    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(PythonResolver(), repo_cache=repository, remote_repos=remotes, timeout=20)


if __name__ == "__main__":
    sys.stdout.writelines(f"{jar}\n" for jar in resolve())
