"""A real PostgreSQL server on loopback for tests, which can be started, stopped and frozen."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom

import pytest

PASSWORD = "s3cret/pass:word"  # must never be shown
_QUOTED = "s3cret%2Fpass%3Aword"


def programs() -> Path:
    """Return the folder of initdb and pg_ctl; skip the test if PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    plain = shutil.which("initdb")
    if plain is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return Path(plain).resolve().parent


def free_port() -> int:
    """Return a TCP port of loopback that stays free while the server does not run.

    It is below those that the kernel gives to connections (from 32768 on), one of which could take it meanwhile.
    """
    with socket.socket() as probe:
        while True:
            port = SystemRandom().randrange(20_000, 32_000)
            with suppress(OSError):  # another process has it
                probe.bind(("127.0.0.1", port))
                return port


class Server:
    """A server with one database `bench`, reached over TCP with a password."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.programs, self.folder, self._fsync = programs(), folder, fsync
        self.port = free_port()
        self._run(str(self.programs / "initdb"), "-D", str(folder / "data"), "-A", "scram-sha-256", "-U", "bench",
                  "--pwfile", str(self._password_file()), "--no-sync", "-E", "UTF8", "--locale", "C")  # fmt: skip
        self.start()
        self.query("CREATE DATABASE bench", database="postgres")

    @property
    def url(self) -> str:
        """The URL with its password."""
        return self.url_of("bench")

    def url_of(self, database: str) -> str:
        """The URL of another database."""
        return f"postgresql+psycopg://bench:{_QUOTED}@127.0.0.1:{self.port}/{database}"

    @property
    def shown(self) -> str:
        """The URL as it may be shown."""
        return f"postgresql+psycopg://bench:***@127.0.0.1:{self.port}/bench"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options += f" -c fsync={'on' if self._fsync else 'off'}"
        self._run(str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), "-l", str(self.folder / "log"),
                  "-o", options, "-w", "-t", "60", "start")  # fmt: skip

    def stop(self) -> None:
        """Stop the server at once and cut all connections."""
        self._run(str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def freeze(self) -> None:
        """Stop answering without closing anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue to answer."""
        self._signal(signal.SIGCONT)

    def query(self, sql: str, database: str = "bench") -> list[tuple[object, ...]]:
        """Return the rows of a statement, in a transaction of its own."""
        import psycopg

        with psycopg.connect(host="127.0.0.1", port=self.port, user="bench", password=PASSWORD, dbname=database,
                             autocommit=True) as connection:  # fmt: skip
            cursor = connection.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def copy(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Send rows with the same columns by COPY, in a transaction of its own."""
        import psycopg

        columns = ", ".join(rows[0])
        with (
            psycopg.connect(host="127.0.0.1", port=self.port, user="bench", password=PASSWORD, dbname="bench") as one,
            one.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copied,
        ):
            for row in rows:
                copied.write_row(tuple(row.values()))

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with suppress(ProcessLookupError):  # some end by themselves: autovacuum, or those of clients that have gone
                os.kill(pid, number)

    def _pids(self) -> list[int]:
        import psutil

        leader = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(leader)
        return [leader, *(child.pid for child in process.children(recursive=True))]

    def _password_file(self) -> Path:
        path = self.folder / "password"
        path.write_text(PASSWORD + "\n")
        path.chmod(0o644)
        return path

    def _run(self, *command: str) -> None:
        # initdb refuses to run as root, so the user of the package runs it.
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if prefix:
            shutil.chown(self.folder, "postgres")
        log = self.folder / "setup.log"
        with log.open("ab") as output:  # not a pipe, which the server would keep open
            done = subprocess.run([*prefix, *command], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                  cwd=self.folder, timeout=120, check=False)  # fmt: skip
        assert done.returncode == 0, log.read_text()


@contextmanager
def running(folder: Path, *, fsync: bool = False) -> Iterator[Server]:
    """Run a server in an empty folder that its user can access, and end it with all its processes.

    Without `fsync` it does not wait for the disk, which tests need not.
    """
    server = Server(folder, fsync=fsync)
    try:
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.thaw()
            server.stop()
