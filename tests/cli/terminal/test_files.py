"""Files that are written: only what dctbench wrote is replaced, and no link leads out of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.cli.terminal.files import check_writable, write_whole
from dctbench.errors import UsageError
from dctbench.exporters.registry import FORMATS
from dctbench.model import Run
from dctbench.page.html import MARK as PAGE
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
