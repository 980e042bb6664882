"""What is no backup is refused before anything is touched."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from switchboard_cli.backups import new_file, restore
from switchboard_cli.erasing import Installation
from switchboard_cli.failures import Failed

NOWHERE = Installation("postgresql://nobody@127.0.0.1:1/none", "127.0.0.1:1", "file:///nowhere")


def tar_of(**members: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    file.seek(0)
    return file


@pytest.mark.parametrize(
    "file",
    [
        io.BytesIO(b""),
        io.BytesIO(b"no tar at all, but longer than one block of it" * 100),
        tar_of(something_else=b"{}"),
        tar_of(backup_json=json.dumps({"format": 99}).encode()),
    ],
    ids=["empty", "no tar", "another tar", "another format"],
)
def test_a_file_that_is_no_backup_is_refused_in_one_line(file: io.BytesIO) -> None:
    with pytest.raises(Failed, match="no backup"):
        restore(NOWHERE, file, (), lambda *_: None, lambda *_: None)


def test_what_is_refused_is_taken_to_its_end_because_kubectl_waits_for_that(tmp_path: Path) -> None:
    (tmp_path / "refused").write_bytes(bytes(1_000_000))
    options = (
        "--dsn",
        NOWHERE.dsn,
        "--bootstrap-servers",
        NOWHERE.kafka_bootstrap_servers,
        "--blobs",
        NOWHERE.blob_url,
    )
    with (tmp_path / "refused").open("rb") as content:
        command = (sys.executable, "-m", "switchboard_cli", "restore", "-", *options)
        done = subprocess.run(command, stdin=content, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        taken = os.lseek(content.fileno(), 0, os.SEEK_CUR)

    assert (done.returncode, "no backup" in done.stderr) == (1, True)
    assert taken == 1_000_000


def test_a_backup_that_fails_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError), new_file(tmp_path / "backup.tar") as file:
        file.writelines(text.encode("ascii") for text in ("half of it", "\u00fc"))

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_written_over_and_a_new_one_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "backup.tar"
    with new_file(path) as file:
        file.write(b"all of it")

    with pytest.raises(Failed, match="there already"), new_file(path):
        pass

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"all of it", 0o600)
