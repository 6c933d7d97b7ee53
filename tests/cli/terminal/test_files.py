"""Files that are written: only what dctbench wrote is replaced, and no link leads out of the folder."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.cli.terminal.files import check_writable, write_whole
from dctbench.errors import UsageError
from dctbench.exporters.registry import FORMATS
from dctbench.model import Run
from dctbench.page.assets import MARK as PAGE
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from tests.support.made import ENVIRONMENT, RUN, result

FOREIGN = (
    b"alias ls='ls --color'\n",
    b'{"name": "project", "schema_version": 1}\n',
    b"[]\nnot ours",
    b"{}\nnot ours",
    b"<!doctype html>\n<title>My page</title>\n<style></style>",
    b'<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">',
    b"run_id,label\n1,2\n",
    b"PAR1 of someone else PAR1",
    b"### Results\n",
    b"% \\usepackage{booktabs}\n% my table\n",
    b'{"machine_info": {}, "benchmarks": [{"fullname": "tests/test_speed.py::test_one"}]}',
    b'[\n  {\n    "name": "speed n=3",\n    "value": 1}]',
)

TO_STANDARD_OUTPUT = """
import re
from pathlib import Path
from dctbench.cli.terminal.files import check_writable, write_whole
check_writable(Path("/dev/stdout"), re.compile(b"mark"))
write_whole(Path("/dev/stdout"), b"content", re.compile(b"mark"))
"""


def recorded(run: Run = RUN) -> RecordedRun:
    results = [result("sdpa"), result("dct-x", ratio=8.0, seconds=5e-4)]
    return RecordedRun(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results, [one.case for one in results])


@pytest.mark.parametrize("name", [*FORMATS, "page"])
def test_a_file_of_the_same_kind_is_replaced_and_a_foreign_one_only_by_force(name: str, tmp_path: Path) -> None:
    mark = PAGE if name == "page" else FORMATS[name].mark
    content = html([recorded()], heading="A heading") if name == "page" else FORMATS[name].write(recorded())
    path = tmp_path / "file"
    for _ in range(2):
        write_whole(path, content, mark)
    path.write_bytes(b"")
    check_writable(path, mark)  # nothing is lost
    for foreign in FOREIGN:
        path.write_bytes(foreign)
        for write in (lambda: check_writable(path, mark), lambda: write_whole(path, content, mark)):
            with pytest.raises(UsageError, match="is not a file of this kind that dctbench wrote") as refused:
                write()
            assert refused.value.hint == "name another file with -o, or replace it with --force"
        assert path.read_bytes() == foreign
    check_writable(path, mark, force=True)
    write_whole(path, content, mark, force=True)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())


def test_the_second_file_of_a_format_is_of_the_same_kind() -> None:
    for chosen in FORMATS.values():
        second = chosen.second(recorded()) if chosen.second else None
        assert second is None or chosen.mark.search(second.encode())


def test_who_reads_a_file_while_it_is_written_anew_has_the_old_one_whole(tmp_path: Path) -> None:
    path, mark = tmp_path / "run.json", FORMATS["json"].mark
    old, new = FORMATS["json"].write(recorded()), FORMATS["json"].write(recorded(replace(RUN, label="another")))
    write_whole(path, old, mark)
    path.chmod(0o640)
    with path.open() as reader:
        beginning = reader.read(10)
        write_whole(path, new, mark)
        assert beginning + reader.read() == old
    assert path.read_text() == new
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_could_not_be_written_to_its_end_is_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mark = tmp_path / "run.json", FORMATS["json"].mark
    content = FORMATS["json"].write(recorded())
    write_whole(path, content, mark)

    def refuses(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuses)
    with pytest.raises(UsageError, match=r"cannot write .*run.json: No space left on device"):
        write_whole(path, FORMATS["json"].write(recorded(replace(RUN, label="another"))), mark)
    assert path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_out_of_the_folder_is_followed_only_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside.json"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "link").symlink_to(outside)
    mark, content = FORMATS["json"].mark, FORMATS["json"].write(recorded())
    for write in (lambda: check_writable(Path("link"), mark), lambda: write_whole(Path("link"), content, mark)):
        with pytest.raises(UsageError, match="it is a link out of this folder, to "):
            write()
    assert not outside.exists()
    write_whole(Path("link"), content, mark, force=True)
    assert outside.exists()
    assert (folder / "link").is_symlink()
    own = tmp_path / "own"  # not in the folder: whoever works there did not make it
    own.symlink_to(outside)
    write_whole(own, content, mark)


def test_a_link_to_a_device_or_a_pipe_out_of_the_folder_is_followed_only_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    monkeypatch.chdir(folder)
    mark, content = FORMATS["json"].mark, FORMATS["json"].write(recorded())
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8") as reader:
        for name, target in (("device", Path("/dev/null")), ("pipe", pipe)):
            path = Path(name)
            path.symlink_to(target)
            for write in (lambda: check_writable(path, mark), lambda: write_whole(path, content, mark)):  # noqa: B023
                with pytest.raises(UsageError, match="it is a link out of this folder, to ") as refused:
                    write()
                assert refused.value.hint == "name another file with -o, or replace it with --force"
        assert reader.read() == ""
        check_writable(Path("pipe"), mark, force=True)
        write_whole(Path("pipe"), content, mark, force=True)
        assert reader.read() == content


def test_a_device_that_the_user_names_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = subprocess.run([sys.executable, "-c", TO_STANDARD_OUTPUT], capture_output=True, check=True)
    assert out.stdout == b"content"
    write_whole(Path("/dev/null"), b"content", FORMATS["json"].mark)
