"""What the local platform keeps and publishes."""

import base64
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from dotenv import dotenv_values

from sandbox.environment import CHECKOUT, PUBLISHED, AlreadyRunning, Folders, Secrets, kept, only_one, published

VALUES = {name: f"value of {name}" for name in PUBLISHED}


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_everything_lies_in_the_run_folder_of_the_checkout() -> None:
    folders = Folders.of_checkout()

    assert folders.data == CHECKOUT / ".run" / "data"
    assert folders.logs == CHECKOUT / ".run" / "logs"
    assert folders.env == CHECKOUT / ".run" / "env"


def test_only_the_data_moves_elsewhere(tmp_path: Path) -> None:
    folders = Folders.of_checkout(tmp_path)

    assert folders.data == tmp_path
    assert folders.logs == CHECKOUT / ".run" / "logs"


def test_secrets_are_made_once_and_kept_with_the_data(tmp_path: Path) -> None:
    assert Secrets.kept_in(tmp_path) == Secrets.kept_in(tmp_path)
    assert Secrets.kept_in(tmp_path) != Secrets.kept_in(tmp_path / "other")


def test_the_master_key_is_32_bytes_in_base64(tmp_path: Path) -> None:
    assert len(base64.b64decode(Secrets.kept_in(tmp_path).master_key, validate=True)) == 32


def test_secrets_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    Secrets.kept_in(tmp_path)

    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 5
    assert {mode(file) for file in files} == {0o600}


def test_a_secret_that_was_written_by_half_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_text("ha")

    assert kept(tmp_path / "key", lambda: "whole") == "whole"


def test_the_published_variables_are_read_back_by_a_dotenv_reader(tmp_path: Path) -> None:
    with published(tmp_path / "env", {**VALUES, "TILLSTREAM_MASTER_KEY": "not for everybody"}):
        assert dotenv_values(tmp_path / "env") == VALUES


def test_the_published_variables_are_read_back_by_a_shell(tmp_path: Path) -> None:
    awkward = "postgresql://host/db?application_name=a b&options='x'$HOME"

    with published(tmp_path / "env", {**VALUES, "DATABASE_URL": awkward}):
        script = f'. {tmp_path / "env"}; printf %s "$DATABASE_URL"'
        assert subprocess.check_output(["sh", "-c", script], text=True) == awkward


def test_the_published_file_is_private_and_goes_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("left by a run that was killed")
    (tmp_path / "env").chmod(0o644)

    with published(tmp_path / "env", VALUES):
        assert mode(tmp_path / "env") == 0o600
    assert not (tmp_path / "env").exists()


def test_a_second_run_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    with only_one(tmp_path, "http://127.0.0.1:8000"):
        for _ in range(2):
            with pytest.raises(AlreadyRunning, match=r"already at http://127\.0\.0\.1:8000 \(process \d+\)"):
                only_one(tmp_path, "http://127.0.0.1:8001").__enter__()


def test_the_next_run_can_start_when_the_one_before_has_ended(tmp_path: Path) -> None:
    for port in (8000, 8001):
        with only_one(tmp_path, f"http://127.0.0.1:{port}"):
            assert str(port) in (tmp_path / "lock").read_text()


def test_a_run_that_was_killed_holds_no_lock(tmp_path: Path) -> None:
    program = """
        import sys, time
        from pathlib import Path
        from sandbox.environment import only_one

        with only_one(Path(sys.argv[1]), "http://127.0.0.1:8000"):
            print("held", flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning):
            only_one(tmp_path, "http://127.0.0.1:8001").__enter__()
        holder.kill()

    with only_one(tmp_path, "http://127.0.0.1:8001"):
        pass
