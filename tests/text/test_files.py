"""Files of others: only so many bytes are read, none of a device, and nothing waits for a writer who never comes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from dctbench.text.files import read_limited


def test_no_more_than_the_allowed_bytes_of_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert [read_limited(path, most) for most in (4, 10, 11)] == [b"0123", b"0123456789", b"0123456789"]
    (tmp_path / "link").symlink_to(path)
    assert read_limited(tmp_path / "link", 10) == b"0123456789"


@pytest.mark.parametrize(
    ("path", "words"),
    [("/dev/zero", "neither a file nor a pipe"), ("/", "Is a directory"), ("/missing", "No such file")],
)
def test_what_is_no_file_is_refused(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "link").symlink_to(path)
    for one in (Path(path), tmp_path / "link"):
        with pytest.raises(OSError, match=words):
            read_limited(one, 10)


def test_a_pipe_without_a_writer_is_empty_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_limited(tmp_path / "pipe", 10) == b""


@pytest.mark.parametrize(("most", "expected"), [(100, b"one two"), (5, b"one t")])
def test_a_pipe_is_read_to_its_end_or_the_limit_however_slowly_it_is_written(most: int, expected: bytes) -> None:
    """As the shell passes the output of a command: <(command)."""
    reading, writing = os.pipe()

    def write() -> None:
        for part in (b"one", b" two"):
            time.sleep(0.05)
            os.write(writing, part)
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_limited(Path(f"/dev/fd/{reading}"), most) == expected
    writer.join()
    os.close(reading)
