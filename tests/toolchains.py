"""Other languages' tools, where this machine has them: what they install is kept in the cache, by what it is."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.jars import cache_folder

INSTALL_SECONDS = 600  # a cold Go compiles its standard library


def find(*tools: str) -> None:
    """Skip the test where a tool is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")


def node_packages(packages: Mapping[str, str]) -> Path:
    """A folder in which these npm packages are installed, by name and exact version. Skips where there is no npm."""
    find("node", "npm")
    manifest = json.dumps({"private": True, "type": "module", "dependencies": dict(packages)}, indent=2)
    with _made_once("node", manifest) as folder:
        if not (folder / "complete").exists():
            (folder / "package.json").write_text(manifest)
            run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
            (folder / "complete").touch()
    return folder


def go_program(source: str, modules: Mapping[str, str]) -> Path:
    """A Go program, built. Skips where there is no Go."""
    find("go")
    required = "".join(f"\t{module} {version}\n" for module, version in modules.items())
    manifest = f"module consume\n\ngo 1.22\n\nrequire (\n{required})\n"
    with _made_once("go", manifest + source) as folder:
        if not (folder / "consume").exists():
            (folder / "go.mod").write_text(manifest)
            (folder / "main.go").write_text(source)
            # Not optimised, without C, and with memory left uncollected: from nothing that takes half as long.
            command = ["go", "build", "-mod=mod", "-gcflags=all=-N -l", "-ldflags=-s -w", "-o", "consume", "."]
            run(command, folder, CGO_ENABLED="0", GOGC="400")
    return folder / "consume"


def maven_jars(coordinates: Sequence[str]) -> Path:
    """A folder with these artifacts and all that they need. Skips where there is no Maven."""
    find("mvn")
    with _made_once("java", "\n".join(coordinates)) as folder:
        if not (folder / "complete").exists():
            (folder / "pom.xml").write_text(_pom(coordinates))
            run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"], folder)
            (folder / "complete").touch()
    return folder / "jars"


def run(command: Sequence[str], folder: Path, **settings: str) -> None:
    """Run a tool to its end. Skips the test where it cannot fetch what it needs; fails where it fails otherwise."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if any(
        sign in said for sign in ("ENOTFOUND", "ECONNREFUSED", "no such host", "Unknown host", "Connection refused")
    ):
        pytest.skip(f"{command[0]} cannot reach its registry here")
    pytest.fail(f"{' '.join(command)}:\n{said}")


@contextmanager
def _made_once(kind: str, contents: str) -> Iterator[Path]:
    """A folder of these contents' own, for one process at a time."""
    folder = cache_folder() / f"{kind}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _pom(coordinates: Sequence[str]) -> str:
    dependencies = ""
    for coordinate in coordinates:
        group, artifact, version = coordinate.split(":")
        named = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        dependencies += f"<dependency>{named}</dependency>"
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>consume</groupId>'
        f"<artifactId>consume</artifactId><version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
