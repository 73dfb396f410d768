"""The supervisor, with small processes in place of the real parts."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import PartFailed, StopAsked
from sandbox.part import Part
from sandbox.supervisor import Supervisor

SLEEP = "import time; time.sleep(60)"


class Shop:
    """A supervisor with the folder its processes write to and the sentences it has said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.parts = Supervisor(folder / "logs", self.said.append)

    def part(
        self,
        name: str,
        program: str = SLEEP,
        *,
        ready_file: str = "",
        is_server: bool = False,
        patience: float = 10,
        after: tuple[str, ...] = (),
    ) -> Part:
        """A Python program; `ready_file` is what it writes when it is ready."""
        return Part(
            name=name,
            command=lambda: [sys.executable, "-I", "-S", "-c", textwrap.dedent(program), str(self.folder)],
            ready=(self.folder / ready_file).exists,
            ready_within_seconds=patience,
            stop_within_seconds=patience,
            is_server=is_server,
            after=after,
        )

    def task(self, program: str = SLEEP, **changes: Any) -> Part:
        """A Python program that does its work and ends."""
        return replace(self.part("task", program, **changes), ends=True)

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    with shop.parts:
        yield shop


WRITES_ITS_END = """
    import pathlib, signal, sys
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    (pathlib.Path(sys.argv[1]) / "{name}").touch()
    try:
        signal.pause()
    finally:
        with open(pathlib.Path(sys.argv[1]) / "ends", "a") as ends:
            print("{name}", file=ends)
"""

IGNORES_TERM = """
    import pathlib, signal, sys
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (pathlib.Path(sys.argv[1]) / "stubborn").touch()
    while True:
        signal.pause()
"""


def eventually(holds: Callable[[], bool], within_seconds: float = 10) -> None:
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_part_leads_a_process_group_of_its_own_and_writes_to_its_log(shop: Shop) -> None:
    shop.parts.start(shop.part("talker", "print('hello', flush=True); " + SLEEP))

    assert os.getpgid(shop.parts.pid("talker")) == shop.parts.pid("talker")
    eventually(lambda: shop.log("talker") == "hello\n")


def test_start_returns_when_the_part_is_ready(shop: Shop) -> None:
    slow = "import pathlib, sys, time; time.sleep(0.3); (pathlib.Path(sys.argv[1]) / 'open').touch(); time.sleep(60)"

    shop.parts.start(shop.part("slow", slow, ready_file="open"))

    assert (shop.folder / "open").exists()


def test_parts_are_started_side_by_side(shop: Shop) -> None:
    waits_for_the_other = """
        import pathlib, sys, time
        (pathlib.Path(sys.argv[1]) / "{me}").touch()
        while not (pathlib.Path(sys.argv[1]) / "{other}").exists():
            time.sleep(0.01)
        (pathlib.Path(sys.argv[1]) / "{me}-is-ready").touch()
        time.sleep(60)
    """
    one = shop.part("one", waits_for_the_other.format(me="one", other="two"), ready_file="one-is-ready")
    two = shop.part("two", waits_for_the_other.format(me="two", other="one"), ready_file="two-is-ready")

    shop.parts.start(one, two)

    assert lives(shop.parts.pid("one"))
    assert lives(shop.parts.pid("two"))


def test_a_part_that_ends_before_it_is_ready_is_named_with_its_last_lines(shop: Shop) -> None:
    broken = shop.part("broken", "print('no such database'); raise SystemExit(3)", ready_file="never")

    with pytest.raises(PartFailed, match=r"(?s)broken did not come up \(exit code 3\).*no such database"):
        shop.parts.start(broken)


def test_a_part_that_is_not_ready_in_its_time_is_named(shop: Shop) -> None:
    with pytest.raises(PartFailed, match=r"(?s)lazy was not ready within 0.2 seconds.*its log is empty"):
        shop.parts.start(shop.part("lazy", ready_file="never", patience=0.2))


def test_what_prevents_a_command_from_being_made_is_told(shop: Shop) -> None:
    def no_binaries() -> list[str]:
        raise FileNotFoundError("no binaries")

    with pytest.raises(FileNotFoundError, match="no binaries"):
        shop.parts.start(Part(name="empty", command=no_binaries))


def test_a_task_runs_to_its_end(shop: Shop) -> None:
    shop.parts.start(shop.task("import pathlib, sys; (pathlib.Path(sys.argv[1]) / 'done').touch()"))

    assert (shop.folder / "done").exists()


def test_a_task_that_fails_is_named_with_its_last_lines(shop: Shop) -> None:
    with pytest.raises(PartFailed, match=r"(?s)task failed \(exit code 1\).*table is missing"):
        shop.parts.start(shop.task("raise SystemExit('table is missing')"))


def test_a_task_that_outlasts_its_time_is_ended(shop: Shop) -> None:
    with pytest.raises(PartFailed, match=r"task did not finish within 0\.2 seconds"):
        shop.parts.start(shop.task(patience=0.2))


def test_leaving_stops_the_servers_last(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with shop.parts:
        for name in ("server", "service"):
            program = WRITES_ITS_END.format(name=name)
            shop.parts.start(shop.part(name, program, ready_file=name, is_server=name == "server"))

    assert (tmp_path / "ends").read_text().split() == ["service", "server"]


def test_a_part_starts_after_those_it_names(shop: Shop) -> None:
    late = shop.part(
        "late", "import sys, pathlib; assert (pathlib.Path(sys.argv[1]) / 'made').exists()", after=("task",)
    )
    slow = "import pathlib, sys, time; time.sleep(0.3); (pathlib.Path(sys.argv[1]) / 'made').touch()"

    shop.parts.start(replace(late, ends=True), shop.task(slow))


def test_leaving_ends_nothing_that_somebody_else_started(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", SLEEP]) as stranger:
        shop = Shop(tmp_path)
        with shop.parts:
            shop.parts.start(shop.part("ours"))

        assert stranger.poll() is None
        stranger.kill()


def test_a_part_that_does_not_obey_is_killed_after_its_time(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with shop.parts:
        shop.parts.start(shop.part("stubborn", IGNORES_TERM, ready_file="stubborn", patience=0.3))
        pid = shop.parts.pid("stubborn")

    assert not lives(pid)


def test_asking_twice_to_stop_kills_what_does_not_obey(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    began = time.monotonic()
    with shop.parts:
        shop.parts.start(shop.part("stubborn", IGNORES_TERM, ready_file="stubborn", patience=60))
        shop.parts.ask_to_stop()
        threading.Timer(0.3, shop.parts.ask_to_stop).start()

    assert time.monotonic() - began < 20


def test_asking_to_stop_ends_a_start_that_still_waits(shop: Shop) -> None:
    threading.Timer(0.2, shop.parts.ask_to_stop).start()

    with pytest.raises(StopAsked):
        shop.parts.start(shop.part("lazy", ready_file="never", patience=60))


def test_asking_to_stop_ends_the_wait(shop: Shop) -> None:
    threading.Timer(0.1, shop.parts.ask_to_stop).start()

    shop.parts.wait()

    assert shop.parts.failure is None


def test_a_part_of_the_service_that_dies_is_named_and_started_again(shop: Shop) -> None:
    shop.parts.start(shop.part("publisher"))
    before = shop.parts.pid("publisher")

    os.kill(before, signal.SIGKILL)

    eventually(lambda: shop.parts.pid("publisher") != before)
    assert lives(shop.parts.pid("publisher"))
    assert shop.said == [
        f"publisher died (signal 9) and is started again. Its log: {shop.folder / 'logs' / 'publisher.log'}"
    ]


def test_the_fourth_death_within_a_minute_stops_everything_and_tells_the_last_lines(shop: Shop) -> None:
    shop.parts.start(shop.part("bystander"), shop.part("projector", "raise SystemExit('cannot read the topic')"))
    bystander = shop.parts.pid("bystander")

    with pytest.raises(
        PartFailed, match=r"(?s)projector died 4 times within a minute \(exit code 1\).*cannot read the topic"
    ):
        shop.parts.wait()

    assert len(shop.said) == 3
    eventually(lambda: not lives(bystander))


def test_a_server_that_dies_is_named_and_stops_the_rest(shop: Shop) -> None:
    shop.parts.start(shop.part("kafka", is_server=True), shop.part("publisher"))
    publisher = shop.parts.pid("publisher")

    os.kill(shop.parts.pid("kafka"), signal.SIGKILL)

    with pytest.raises(PartFailed, match=r"kafka died \(signal 9\); the rest cannot go on without it"):
        shop.parts.wait()
    eventually(lambda: not lives(publisher))


@pytest.mark.parametrize("end", [Supervisor.kill, Supervisor.stop])
def test_a_part_ended_on_purpose_stays_down_until_it_is_started_again(
    shop: Shop, end: Callable[[Supervisor, str], None]
) -> None:
    shop.parts.start(shop.part("kafka", is_server=True))
    before = shop.parts.pid("kafka")

    end(shop.parts, "kafka")
    time.sleep(0.3)

    assert not lives(before)
    assert shop.parts.failure is None
    assert shop.said == []

    shop.parts.start_again("kafka")

    assert lives(shop.parts.pid("kafka"))


def test_a_part_started_again_is_watched_again(shop: Shop) -> None:
    shop.parts.start(shop.part("kafka", is_server=True))
    shop.parts.kill("kafka")
    shop.parts.start_again("kafka")

    os.kill(shop.parts.pid("kafka"), signal.SIGKILL)

    with pytest.raises(PartFailed):
        shop.parts.wait()


def test_a_paused_part_does_nothing_until_it_is_resumed(shop: Shop) -> None:
    counts = """
        import time
        while True:
            print("tick", flush=True)
            time.sleep(0.01)
    """
    shop.parts.start(shop.part("clock", counts))
    eventually(lambda: "tick" in shop.log("clock"))

    shop.parts.pause("clock")
    time.sleep(0.1)
    ticks = shop.log("clock").count("tick")
    time.sleep(0.2)
    assert shop.log("clock").count("tick") == ticks

    shop.parts.resume("clock")
    eventually(lambda: shop.log("clock").count("tick") > ticks)


def test_a_paused_part_can_be_stopped(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    began = time.monotonic()
    with shop.parts:
        shop.parts.start(shop.part("frozen", WRITES_ITS_END.format(name="frozen"), ready_file="frozen", patience=60))
        shop.parts.pause("frozen")

    assert (tmp_path / "ends").read_text() == "frozen\n"
    assert time.monotonic() - began < 20


def test_killing_returns_when_descendants_that_left_the_group_have_ended_too(shop: Shop) -> None:
    has_a_child_elsewhere = """
        import pathlib, subprocess, sys, time
        folder = pathlib.Path(sys.argv[1])
        child = "import pathlib, sys, time; time.sleep(1); (pathlib.Path(sys.argv[1]) / 'child-ended').touch()"
        command = [sys.executable, "-I", "-S", "-c", child, str(folder)]
        subprocess.Popen(command, start_new_session=True, close_fds=False)
        (folder / "has-child").touch()
        time.sleep(60)
    """
    shop.parts.start(shop.part("postgres", has_a_child_elsewhere, ready_file="has-child", is_server=True))

    shop.parts.kill("postgres")

    assert (shop.folder / "child-ended").exists()


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    for line in ("yesterday", "today"):
        shop = Shop(tmp_path)
        with shop.parts:
            shop.parts.start(shop.task(f"print('{line}')"))

    assert shop.log("task") == "today\n"
    assert shop.log("task.previous") == "yesterday\n"


def test_killing_the_supervisor_leaves_no_child(tmp_path: Path) -> None:
    program = """
        import sys, time
        from pathlib import Path
        from sandbox.part import Part
        from sandbox.supervisor import Supervisor

        sleep = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]
        with Supervisor(Path(sys.argv[1])) as parts:
            parts.start(Part(name="one", command=lambda: sleep), Part(name="two", command=lambda: sleep))
            parts.pause("two")
            print(parts.pid("one"), parts.pid("two"), flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        children = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert len(children) == 2

        supervisor.kill()

        eventually(lambda: not any(lives(pid) for pid in children))
