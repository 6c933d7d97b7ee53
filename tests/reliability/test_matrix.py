"""The table of faults, and for each the tests that show how it is handled. Every name in it must be a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.reliability.test_kill_loop import left_in
from tests.support import ROOT, SUPPORT
from tests.support.command import Cli

RUN = "tests/cli/commands/test_run.py::"
LOCAL = "tests/runners/test_local.py::"
CHECKING = "tests/store/test_checking.py::"
CONTENTS = "tests/store/test_contents.py::"
OPENING = "tests/store/test_opening.py::"
FULL_DISK = "tests/reliability/test_full_disk.py::"
POSTGRESQL = "tests/store/test_postgresql.py::"
BAD_FILES = "tests/reliability/test_bad_files.py::"
TWO_RUNS = "tests/reliability/test_two_runs.py::"
DURABILITY = "tests/store/test_durability.py::"
RESUME = "tests/reliability/test_resume.py::"
ISOLATION = "tests/runners/test_isolation.py::"
ANSWERS = "tests/runners/test_responses.py::"
HOSTILE = "tests/reliability/test_hostile.py::"
INTERRUPTION = "tests/reliability/test_interruption.py::"
CHECK = "tests/cli/commands/test_check.py::"
HERE = "tests/reliability/test_matrix.py::"

MATRIX: dict[str, tuple[str, ...]] = {
    "allocator OOM": (
        RUN + "test_out_of_memory_is_a_result_and_longer_lengths_are_skipped_with_the_reason",
        LOCAL + "test_every_misbehaviour_is_a_result_with_its_cause",
    ),
    "kernel OOM killer": (
        "tests/reliability/test_memory_killer.py::test_only_the_process_that_takes_all_memory_is_killed",
    ),
    "segfault in an implementation": (
        RUN + "test_a_failing_case_is_stored_and_told_and_the_sweep_goes_on_to_exit_4",
        LOCAL + "test_a_segfault_keeps_its_stack_trace",
        LOCAL + "test_the_next_case_is_unaffected",
    ),
    "hang: C code holding the GIL": (LOCAL + "test_a_hang_ends_at_the_timeout_with_its_process_group",),
    "hang: Python loop, SIGSTOP": (HERE + "test_a_case_that_never_ends_is_a_timeout_and_the_next_one_is_measured",),
    "implementation prints, exits, raises, returns NaN or a wrong shape": (
        LOCAL + "test_every_misbehaviour_is_a_result_with_its_cause",
        LOCAL + "test_the_output_of_an_implementation_does_not_mix_with_the_response",
    ),
    "implementation leaves processes in sessions of their own": (
        HOSTILE + "test_orphans_in_sessions_of_their_own_are_ended_and_reported",
        HOSTILE + "test_kill_9_of_the_run_leaves_no_process_of_a_hostile_case",
        ISOLATION + "test_a_fresh_process_is_supervised_like_a_forked_one",
    ),
    "implementation stops or kills the process above it": (
        HOSTILE + "test_a_case_that_stops_or_kills_its_parent_does_not_delay_the_sweep",
        ISOLATION + "test_acting_beyond_the_process_is_a_result_and_the_next_case_is_measured",
    ),
    "implementation writes the answer itself, or hangs up": (
        HOSTILE + "test_invalid_responses_crashes_and_exceptions_are_errors_of_their_case",
        ISOLATION + "test_acting_beyond_the_process_is_a_result_and_the_next_case_is_measured",
        ANSWERS + "test_any_bytes_are_a_valid_response_or_an_error",
        ANSWERS + "test_any_bytes_are_a_valid_description_or_an_error",
    ),
    "implementation dies when it is built or described": (
        HOSTILE + "test_invalid_responses_crashes_and_exceptions_are_errors_of_their_case",
        HOSTILE + "test_only_the_implementation_that_cannot_be_imported_is_named",
        ISOLATION + "test_an_implementation_that_dies_when_described_does_not_affect_others",
    ),
    "implementation changes torch's and the process's settings": (
        HOSTILE + "test_changes_by_one_case_do_not_affect_another",
    ),
    "core dumps": (ISOLATION + "test_a_crash_writes_no_core_dump",),
    "kill -9 of a case": (LOCAL + "test_every_misbehaviour_is_a_result_with_its_cause",),
    "kill -9 of the run at any moment": (
        "tests/reliability/test_crash_points.py::"
        "test_a_crash_at_any_point_loses_nothing_that_was_told_and_the_run_is_resumed",
        "tests/reliability/test_kill_loop.py::test_random_kills_lose_nothing_and_leave_no_process",
        OPENING + "test_an_unfinished_write_of_a_killed_process_is_rolled_back_on_opening",
    ),
    "--resume by another version or on another machine": (
        RESUME + "test_a_run_of_another_version_or_machine_is_refused_with_3_and_unchanged",
    ),
    "--retry-failed": (RESUME + "test_failures_are_retried_only_with_the_flag_and_measurements_stay",),
    "kill -9 of a merge, an import or a prune": (
        DURABILITY + "test_a_killed_merge_damages_nothing_and_can_be_repeated",
        DURABILITY + "test_a_killed_import_leaves_the_complete_run_or_nothing",
        DURABILITY + "test_a_killed_prune_leaves_every_run_complete_or_removed",
    ),
    "a store that is moved, pruned or merged into under a run": (
        DURABILITY + "test_a_store_that_is_moved_away_is_an_error_and_no_new_one_is_created",
        DURABILITY + "test_a_result_of_a_removed_run_is_refused_with_the_cause",
        DURABILITY + "test_simultaneous_merges_prunes_and_a_run_lose_nothing",
    ),
    "disk full": (
        FULL_DISK + "test_a_full_disk_ends_the_run_which_can_be_resumed_once_there_is_space",
        FULL_DISK + "test_a_merge_onto_a_full_disk_can_be_repeated_once_there_is_space",
        FULL_DISK + "test_runs_are_removed_even_without_space_to_shrink_the_file",
    ),
    "signals, doubled": (
        INTERRUPTION + "test_a_second_signal_changes_nothing_about_how_a_run_ends",
        INTERRUPTION + "test_a_signal_before_anything_is_stored_is_reported_as_such",
        RUN + "test_an_interrupted_run_keeps_what_it_has_and_says_how_to_go_on",
    ),
    "nobody reads the output on": (
        INTERRUPTION + "test_a_run_whose_reader_has_gone_is_measured_to_the_end",
        "tests/cli/test_surroundings.py::test_nobody_reading_on_is_no_failure",
    ),
    "folder for temporary files full": (
        INTERRUPTION + "test_a_full_folder_for_temporary_files_does_not_crash_a_run",
        INTERRUPTION + "test_a_lock_works_without_space_for_the_name_of_its_holder",
    ),
    "two processes on one run": (INTERRUPTION + "test_a_run_that_another_process_is_measuring_is_not_resumed",),
    "corrupt, foreign, newer, empty store": (
        RUN + "test_a_store_that_is_not_ours_exits_5_and_is_left_alone",
        OPENING + "test_files_of_other_programs_are_refused_and_unchanged",
        OPENING + "test_a_truncated_store_is_refused",
        OPENING + "test_a_newer_store_is_refused_by_name",
        CHECKING + "test_an_overwritten_page_is_reported",
    ),
    "read-only store": (FULL_DISK + "test_a_store_on_a_read_only_file_system_can_be_read",),
    "two runs on one device": (
        LOCAL + "test_a_case_waits_while_another_run_measures_on_its_device_and_this_thread_is_told",
        TWO_RUNS + "test_two_commands_at_once_take_turns_on_the_device_and_both_runs_are_stored",
    ),
    "two runs on one store": (
        CONTENTS + "test_two_writers_on_one_store_lose_nothing",
        TWO_RUNS + "test_two_commands_at_once_take_turns_on_the_device_and_both_runs_are_stored",
    ),
    "PostgreSQL down": (
        POSTGRESQL + "test_a_failure_to_connect_is_one_sentence_without_the_password",
        POSTGRESQL + "test_a_server_that_stops_responding_is_unreachable",
    ),
    "PostgreSQL cut mid-run": (
        "tests/reliability/test_server_cut.py::test_a_server_that_stops_during_a_run_has_every_result_after_a_push",
        POSTGRESQL + "test_pushes_of_overlapping_stores_at_once_lose_nothing",
    ),
    "bad flags, suites, imports": (
        RUN + "test_wrong_words_exit_2_in_one_sentence_and_leave_nothing_behind",
        "tests/spec/test_grid.py::test_any_text_gives_sorted_distinct_values_in_bounds_or_a_usage_error",
        "tests/spec/test_suites.py::test_any_text_is_a_suite_or_a_usage_error",
        "tests/importers/test_json_document.py::test_a_mistake_is_reported_with_its_place",
        "tests/fuzz/test_importers.py::test_any_file_is_imported_completely_or_refused",
        "tests/fuzz/test_user_input.py::test_any_suite_file_is_accepted_or_refused_in_one_sentence",
        "tests/fuzz/test_user_input.py::test_any_flags_are_accepted_or_refused_in_one_sentence",
        "tests/fuzz/test_user_input.py::test_any_configuration_is_accepted_or_refused_in_one_sentence",
    ),
    "bad baselines": (
        CHECK + "test_a_wrong_flag_is_one_sentence_and_measures_nothing",
        BAD_FILES + "test_a_bad_file_is_refused_and_nothing_is_stored",
        BAD_FILES + "test_every_command_that_takes_a_run_refuses_a_bad_file",
        BAD_FILES + "test_a_refused_file_leaves_the_store_unchanged",
    ),
    "no GPU, --device cuda absent": (
        RUN + "test_a_device_that_is_not_there_exits_6_with_the_reason_and_stores_nothing",
        RUN + "test_beside_a_device_that_is_there_an_absent_one_is_skipped_with_the_reason",
    ),
    "no NVML": ("tests/machine/test_nvml.py::test_a_gpu_without_nvml_is_measured_with_a_warning",),
    "the gate never reads skipped as a pass": (
        CHECK + "test_cases_that_are_skipped_for_want_of_a_device_never_pass",
        "tests/compare/test_judgement.py::test_a_case_that_does_not_run_on_both_sides_never_passes_silently",
    ),
}


@pytest.mark.parametrize("fault", MATRIX)
def test_every_named_test_exists(fault: str) -> None:
    for name in MATRIX[fault]:
        path, function = name.split("::")
        defined = [node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)]
        assert function in defined


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LoopsInPython", "StopsItself"])
def test_a_case_that_never_ends_is_a_timeout_and_the_next_one_is_measured(cli: Cli, tmp_path: Path, name: str) -> None:
    shape = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1")
    impl = ("--impl", f"hostile:{name},none", "--ratio", "2")
    done = cli("run", *impl, *shape, "--case-timeout", "8s", "--format", "json", PYTHONPATH=str(SUPPORT))
    assert done.code == 4, done.err
    results = {one["case"]["implementation"]: (one["status"], one["message"]) for one in done.json()["results"]}
    assert results == {f"hostile:{name}": ("timeout", "timeout after 8 s"), "none": ("ok", None)}
    assert not left_in(tmp_path)
