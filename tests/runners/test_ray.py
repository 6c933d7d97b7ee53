"""A real Ray cluster on this machine: nodes, workers and drivers are killed, and the run has every case once."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from dctbench.store import open_store
from tests.support.command import Cli, Done, cli_in, plain_environment, start
from tests.support.ray_cluster import RayCluster, running

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.slow

SWEEP = ("--seq", "64,128,256", "--impl", "sdpa,dct-x", "--ratio", "4", "--heads", "2", "--head-dim", "8",
         "--rounds", "2", "--budget", "6s", "--progress", "plain")  # fmt: skip
"""Half a second for a case: shorter ones would be over before something is killed in their middle."""
CASES = 6 * 2


class Site:
    """The cluster, and what a driver on this machine runs."""

    def __init__(self, cluster: RayCluster, folder: Path, environ: Mapping[str, str]) -> None:
        self.cluster, self.folder, self.environ = cluster, folder, environ
        self.nodes: list[str] = []

    def add(self, **variables: str) -> str:
        """Start a node. Nodes of one machine would wait for each other, so each has locks of its own."""
        locks = self.folder / f"locks-{len(list(self.folder.glob('locks-*')))}"
        locks.mkdir(mode=0o1777)
        locks.chmod(0o1777)
        self.nodes.append(self.cluster.add(DCTBENCH_LOCKS=str(locks), **variables))
        return self.nodes[-1]

    def want(self, number: int) -> None:
        """Let the cluster have that many usual nodes."""
        while len(self.nodes) < number:
            self.add()

    def kill(self, node: str) -> None:
        self.cluster.kill(node)
        self.nodes.remove(node)

    @property
    def flags(self) -> tuple[str, ...]:
        return "--runner", "ray", "--address", self.cluster.address


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    environ = plain_environment()
    # The paths of Ray's sockets are long, and those of sockets may not have more than 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder, running(Path(folder), environ) as cluster:
        made = Site(cluster, Path(folder), environ)
        made.want(2)
        yield made


@pytest.fixture
def driver(tmp_path: Path, environ: dict[str, str]) -> Cli:
    """Ray is imported in a new interpreter, and not in the one from which other commands are forked."""
    run = cli_in(tmp_path, environ)
    return lambda *arguments, **variables: run(*arguments, new_interpreter=True, **variables)


def measured(folder: Path) -> tuple[int, int]:
    """How many results the only run has, and how many of them are ok."""
    with open_store(str(folder / ".dctbench/results.sqlite")) as store:
        [state] = store.runs()
        results = store.results(state.run.id)
        assert len({(one.case, one.round) for one in results}) == len(results)
        return len(results), sum(one.status == "ok" for one in results)


def disturbed(site: Site, folder: Path, after: int, disturb: str) -> Done:
    """Run the sweep, and once that many results are there, end the node or worker of the last one, or the driver."""
    with start(
        "run", *SWEEP, *site.flags, folder=folder, environ=site.environ, new_interpreter=True
    ) as process:  # fmt: skip
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            found = re.match(rf"\[ *{after}/{CASES}\].* on \S+ \((\w+)\)", line)
            if found:
                if disturb == "node":
                    site.kill(found[1])
                elif disturb == "worker":
                    [worker, *_] = workers(site)
                    os.kill(worker, signal.SIGKILL)
                else:
                    process.send_signal(signal.SIGKILL if disturb == "driver" else signal.SIGINT)
        out = process.stdout.read() if process.stdout else ""
        process.wait()
    assert process.returncode is not None
    return Done(process.returncode, out, "".join(told))


def workers(site: Site) -> list[int]:
    """The processes of this cluster that run cases."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name().startswith("ray::Node") and str(site.folder) in process.environ()["DCTBENCH_LOCKS"]:
                found.append(process.pid)
        except (psutil.Error, KeyError):
            continue
    return found


def test_a_sweep_survives_a_node_that_is_killed_in_its_middle(site: Site, tmp_path: Path) -> None:
    site.want(2)
    done = disturbed(site, tmp_path, 3, "node")
    assert done.code == 0, done.err
    assert measured(tmp_path) == (CASES, CASES)
    assert re.search(r"node \S+ \(\w+\) was lost .* attempt 2 of 3 follows", done.err), done.err


def test_a_killed_worker_is_started_again_and_its_case_retried(site: Site, tmp_path: Path) -> None:
    done = disturbed(site, tmp_path, 2, "worker")
    assert done.code == 0, done.err
    assert measured(tmp_path) == (CASES, CASES)
    assert "attempt 2 of 3 follows" in done.err


def test_a_lost_driver_leaves_no_process_and_its_run_is_resumed(site: Site, tmp_path: Path, driver: Cli) -> None:
    assert disturbed(site, tmp_path, 3, "driver").code == -signal.SIGKILL
    assert 3 <= measured(tmp_path)[0] < CASES
    deadline = time.monotonic() + 60
    while workers(site):
        assert time.monotonic() < deadline, "the workers outlived their driver"
        time.sleep(0.2)
    done = driver("run", "--resume", *site.flags, "--progress", "plain")
    assert (done.code, "resuming, " in done.err) == (0, True), done.err
    assert measured(tmp_path) == (CASES, CASES)


def test_an_interrupted_driver_lets_its_nodes_remove_what_they_wrote(site: Site, tmp_path: Path) -> None:
    """Those that were killed before left their folders. The next ones on their node removed them at their start."""
    done = disturbed(site, tmp_path, 2, "interrupt")
    assert (done.code, "Traceback" in done.err) == (130, False), done.err
    assert 2 <= measured(tmp_path)[0] < CASES
    assert list(site.folder.glob("*dctbench-scratch-*")) == []


def test_a_device_that_no_node_has_is_named_at_the_deadline_and_nothing_is_stored(
    site: Site, tmp_path: Path, driver: Cli
) -> None:
    done = driver("run", "--device", "cuda:0", *site.flags, "--runner-timeout", "1s")
    assert (done.code, "offers cuda:0 within 1s" in done.err) == (6, True), done.err
    assert not (tmp_path / ".dctbench").exists()


def test_a_node_on_which_a_run_outside_the_cluster_measures_is_named_and_not_waited_for_for_ever(
    site: Site, tmp_path: Path, driver: Cli
) -> None:
    site.want(1)
    with ExitStack() as stack:
        for folder in site.folder.glob("locks-*"):
            held = stack.enter_context((folder / "dctbench-cpu.lock").open("a"))
            fcntl.flock(held, fcntl.LOCK_EX)
        done = driver("run", *SWEEP, *site.flags, "--runner-timeout", "20s")
    assert (done.code, "was not free within 20s" in done.err) == (6, True), done.err
    assert re.search(r"waiting for node \S+ \(\w+\): .*process.* is measuring on cpu", done.err), done.err
    assert not (tmp_path / ".dctbench").exists()


def test_nodes_that_differ_are_named(site: Site, tmp_path: Path, driver: Cli) -> None:
    """One more node has another torch, and one has another number of threads, which makes it another machine."""
    site.want(1)
    for name in ("torch", "dctbench"):
        metadata = tmp_path / f"other-{name}" / f"{name}-9.9.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n", encoding="utf-8")
    extra = [
        site.add(PYTHONPATH=str(tmp_path / "other-torch")), site.add(PYTHONPATH=str(tmp_path / "other-dctbench")),
        site.add(OMP_NUM_THREADS="2"),
    ]  # fmt: skip
    try:
        done = driver("run", *SWEEP, *site.flags, "--format", "json")
        assert done.code == 0, done.err
        assert re.search(rf"node \S+ \({extra[0]}\) is not used: it has torch 9.9, here is ", done.err)
        assert re.search(rf"node \S+ \({extra[1]}\) is not used: it has dctbench 9.9, here is ", done.err)
        kinds: dict[int, set[str]] = {}
        for entry in done.json()["results"]:
            kinds.setdefault(entry["case"]["seq_len"], set()).add(entry["fingerprint"])
        assert all(len(found) == 1 for found in kinds.values())
        assert len(set.union(*kinds.values())) == 2
        assert driver("report").code == 0
        page = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
        assert all(fingerprint[:6] in page for found in kinds.values() for fingerprint in found)
    finally:
        for node in extra:
            site.kill(node)


@pytest.mark.parametrize(
    ("flags", "code", "sentence"),
    [
        (("--address", "127.0.0.1:6379"), 2, "--address is for a cluster"),
        (("--runner", "ray", "--address", "nowhere"), 2, "--address 'nowhere': not an address"),
        (("--runner", "ray", "--address", "10.0.0..1:6379"), 2, "--address '10.0.0..1:6379': not an address"),
        (("--runner", "ray", "--address", "127.0.0.1:1"), 6, "no Ray cluster at 127.0.0.1:1: Connection refused"),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(
    driver: Cli, tmp_path: Path, flags: tuple[str, ...], code: int, sentence: str
) -> None:
    done = driver("run", *flags)
    assert (done.code, sentence in done.err) == (code, True), done.err
    assert not (tmp_path / ".dctbench").exists()
