"""A real Ray cluster on this machine, in a process of its own: its nodes are started and killed by one-line commands.

    python -m tests.support.ray_cluster FOLDER

Standard input takes `add [NAME=VALUE ...]` (a node with these environment variables), `kill ID` (that node, without
warning) and `end`. Each is answered by a line of JSON. Only processes of this cluster are ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import ROOT

OBJECT_STORE_BYTES = 80 << 20
"""The least that Ray accepts is 75 MiB."""


class RayCluster:
    """The other end of that process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = str(self._answer()["address"])

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError("the cluster ended")

    def ask(self, *words: str) -> Any:
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)
        return self._answer()

    def add(self, **variables: str) -> str:
        """Start a node with one CPU and return the start of its id."""
        return str(self.ask("add", *(f"{name}={value}" for name, value in variables.items()))["node"])

    def kill(self, node: str) -> None:
        """Kill a node without warning."""
        self.ask("kill", node)


@contextmanager
def running(folder: Path, environ: Mapping[str, str]) -> Iterator[RayCluster]:
    """A cluster without nodes that can measure: its head offers no CPU. It ends with the block."""
    command = [sys.executable, "-m", "tests.support.ray_cluster", str(folder)]
    (folder / "ray").mkdir()  # where Ray notes the latest cluster of a user, if TMPDIR is set
    quiet = {
        "TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "PYTHONWARNINGS": "ignore",
        # Ray gives its workers nearly the least priority: beside other tests they would hardly get a processor.
        "RAY_worker_niceness": "0",
        # So that a killed node is noticed soon. The cluster notices one that stalls only after five of these timeouts.
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "5000",
        "RAY_health_check_failure_threshold": "5",
    }
    log = (folder / "cluster.log").open("w")
    with (
        log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield RayCluster(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


def main(folder: str) -> None:
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    head = {**node, "num_cpus": 0, "temp_dir": folder}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes: dict[str, Any] = {}
    print(json.dumps({"address": cluster.address}), flush=True)
    try:
        for line in sys.stdin:
            verb, *words = line.split()
            if verb == "add":
                os.environ.update(dict(word.split("=", 1) for word in words))
                added = cluster.add_node(num_cpus=1, **node)
                nodes[added.node_id[:6]] = added
                answer = {"node": added.node_id[:6]}
                for word in words:
                    del os.environ[word.split("=", 1)[0]]
            elif verb == "kill":
                cluster.remove_node(nodes.pop(words[0]), allow_graceful=False)
                answer = {}
            print(json.dumps(answer), flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
