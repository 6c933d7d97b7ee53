"""What may be told of a run: texts, variables and hosts, without a command."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from dctbench.app.code_loading import check_stored_run
from dctbench.compare.outcome import differences
from dctbench.errors import UsageError
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Environment, ResultDetails, RunSettings
from dctbench.text.private import home_as_tilde, paths_as_names
from tests.support.made import ENVIRONMENT, FACTS, RUN, result

MINE = "/planted/folder"
CHOICE = "CUDA_VISIBLE_DEVICES"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{MINE}/x.py:3", "~/x.py:3"),
        (f"--store={MINE}", "--store=~"),
        (f"{MINE}X/y", f"{MINE}X/y"),
        ("sqlite:////home/alice/r.db", "sqlite:///~/r.db"),
        ("at /nfs/home/bob/x, /Users/eve and /root/y", "at ~/x, ~ and ~/y"),
        (r"C:\Users\Bob\x", r"~\x"),
        ("https://example.org/home/page", "https://example.org/home/page"),
        ("10 tokens/s, n / n_kept, /rooted", "10 tokens/s, n / n_kept, /rooted"),
    ],
)
def test_every_home_folder_is_a_tilde(monkeypatch: pytest.MonkeyPatch, text: str, told: str) -> None:
    monkeypatch.setenv("HOME", MINE)
    assert home_as_tilde(text) == told


@pytest.mark.parametrize("home", ["", "/", "relative"])
def test_a_home_that_is_no_folder_of_a_user_changes_nothing(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("HOME", home)
    assert home_as_tilde("a/b /c relative") == "a/b /c relative"


def test_of_a_path_only_its_last_part_is_told() -> None:
    text = 'File "/srv/alice/x.py", line 3, in ../alice/y.py and ~/alice/z, 10 tokens/s, n / n_kept'
    assert paths_as_names(text) == 'File "x.py", line 3, in y.py and z, 10 tokens/s, n / n_kept'


def test_paths_of_the_system_are_told_but_not_what_users_put_there() -> None:
    text = "no energy meter under /sys/class: see /proc/cpuinfo, /dev/nvidia0; /dev/shm/alice/x.npy, /system/alice/y"
    assert paths_as_names(text) == "no energy meter under /sys/class: see /proc/cpuinfo, /dev/nvidia0; x.npy, y"


def test_the_values_of_variables_that_affect_speed_are_told_and_of_libraries_the_names() -> None:
    env = {"OMP_NUM_THREADS": "2", "API_KEY": "planted-key", "LD_PRELOAD": "/home/alice/lib/libtcmalloc.so.4"}
    run = replace(RUN, settings=RunSettings(env=env))
    told = Disclosure.of(run, {}, []).run(run).settings.env
    assert told == {"OMP_NUM_THREADS": "2", "API_KEY": "(not shown)", "LD_PRELOAD": "libtcmalloc.so.4"}
    facts = {**FACTS, "allocator": {"LD_PRELOAD": "/home/alice/lib/libtcmalloc.so.4"}}
    environment = Disclosure.here().environment(Environment(facts, "f" * 16))
    assert environment.facts["allocator"] == {"LD_PRELOAD": "libtcmalloc.so.4"}


def test_a_run_with_a_value_that_was_left_out_is_not_measured_again() -> None:
    run = replace(RUN, settings=RunSettings(env={"OMP_NUM_THREADS": "1", "API_KEY": "planted-key"}))
    with pytest.raises(UsageError, match="a file that leaves out the value of API_KEY"):
        check_stored_run(Disclosure.of(run, {}, []).run(run))


def test_a_message_does_not_tell_the_host_or_the_value_of_a_variable() -> None:
    run = replace(RUN, settings=RunSettings(env={"API_KEY": "planted-key"}))
    failed = replace(
        result("full", status="error", message="bench-1: planted-key is wrong, not bench-10"),
        details=ResultDetails(output="on bench-1", traceback="planted-key", absent={"energy": "bench-1 has no meter"}),
    )
    told = Disclosure.of(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [failed]).result(failed)
    assert told.message == "Test CPU, ffffff: (not shown) is wrong, not bench-10"
    assert (told.details.output, told.details.traceback) == ("on Test CPU, ffffff", "(not shown)")
    assert told.details.absent == {"energy": "Test CPU, ffffff has no meter"}
    assert (told.host, told.case, told.measurements) == ("Test CPU, ffffff", failed.case, failed.measurements)


def test_the_label_is_of_this_machine_only_and_stays_in_later_exports() -> None:
    here = Environment({**FACTS, "host": socket.gethostname()}, "a" * 16)
    both = {"a" * 16: here, "f" * 16: ENVIRONMENT}
    told = Disclosure.of(RUN, both, [], host_label="lab 3")
    hosts = {key: told.environment(environment) for key, environment in both.items()}
    assert [one.host for one in hosts.values()] == ["lab 3", "Test CPU, ffffff"]
    again = Disclosure.of(RUN, hosts, [])
    assert {key: again.environment(one) for key, one in hosts.items()} == hosts
    anonymous = Disclosure.of(RUN, hosts, [], anonymous=True, host_label="lab 4")
    assert [anonymous.environment(one).host for one in hosts.values()] == ["Test CPU, aaaaaa", "Test CPU, ffffff"]


def test_a_label_vouches_for_no_other_host_of_the_same_fingerprint() -> None:
    labelled = Environment({**FACTS, "host": "lab 3", "host_is_label": True}, "f" * 16)
    told = Disclosure.of(RUN, {"f" * 16: labelled}, [result()])
    assert [told.host("f" * 16, host) for host in ("lab 3", "bench-1")] == ["lab 3", "Test CPU, ffffff"]


def test_an_anonymous_environment_names_neither_a_commit_nor_a_board() -> None:
    gpu = {"name": "H200", "uuid": "GPU-1234"}
    environment = Environment({**FACTS, "git": {"commit": "c0ffee", "dirty": False}, "gpu": [gpu]}, "f" * 16)
    facts = Disclosure.of(RUN, {"f" * 16: environment}, [], anonymous=True).environment(environment).facts
    assert "git" not in facts
    assert facts["gpu"] == [{"name": "H200"}]


@pytest.mark.parametrize(
    "devices",
    [
        "GPU-8a7b6c5d-1234-5678-9abc-def012345678",
        "GPU-8a7b",
        "0,MIG-8a7b6c5d-1234-5678-9abc-def012345678",
        "MIG-GPU-8a7b6c5d-1234-5678-9abc-def012345678/1/0,GPU-9A7B",
    ],
)
def test_an_anonymous_run_tells_no_identifier_of_a_board(devices: str) -> None:
    run = replace(RUN, label=f"on {devices}, not GPU-accelerated", settings=RunSettings(env={CHOICE: devices}))
    assert Disclosure.of(run, {}, []).run(run).settings.env == {CHOICE: devices}
    told = Disclosure.of(run, {}, [], anonymous=True).run(run)
    assert told.settings.env == {CHOICE: "(not shown)"}
    assert told.label is not None
    assert told.label.endswith(", not GPU-accelerated")
    assert "8a7b" not in told.label.lower()
    with pytest.raises(UsageError, match="leaves out the value of CUDA_VISIBLE_DEVICES"):
        check_stored_run(told)


@pytest.mark.parametrize("devices", ["0,1", "", "-1"])
def test_the_numbers_of_gpus_are_told(devices: str) -> None:
    run = replace(RUN, settings=RunSettings(env={CHOICE: devices}))
    assert Disclosure.of(run, {}, [], anonymous=True).run(run).settings.env == {CHOICE: devices}


def test_a_machine_without_a_name_is_told_by_its_gpus_too() -> None:
    gpus = [{"name": "NVIDIA H200", "uuid": "GPU-1"}, {"name": "NVIDIA H200", "uuid": "GPU-2"}, {"name": "Other GPU"}]
    both = {"f" * 16: Environment({**FACTS, "gpu": gpus}, "f" * 16), "a" * 16: Environment(FACTS, "a" * 16)}
    told = Disclosure.of(RUN, both, [], anonymous=True)
    hosts = [told.environment(environment).host for environment in both.values()]
    assert hosts == ["NVIDIA H200, Other GPU, Test CPU, ffffff", "Test CPU, aaaaaa"]


def test_a_user_whose_home_folder_a_message_names_is_anonymous_elsewhere_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "planted-user")
    failed = result("full", status="error", message="/home/alice/x: alice and planted-user may not read it")
    told = Disclosure.of(RUN, {}, [failed], anonymous=True).result(failed)
    assert told.message == "x: (user) and (user) may not read it"


def test_two_machines_differ_without_their_names() -> None:
    other = Environment({**FACTS, "host": "bench-2", "allocator": {"LD_PRELOAD": "/home/eve/a.so"}}, "f" * 16)
    found = {one.fact: (one.base, one.head) for one in differences([ENVIRONMENT], [other])}
    assert found == {"allocator": ("-", "LD_PRELOAD=a.so"), "host": ("one machine", "another machine")}
