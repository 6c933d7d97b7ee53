"""`dctbench list devices`: the kinds of devices, and which of them this machine has."""

from __future__ import annotations

import click

from dctbench import catalog, errors
from dctbench.cli.commands.list.printing import Record, print_list
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, unused_store_option, version_option
from dctbench.machine import host, nvml, processor


@click.command(
    "devices",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list devices", "dctbench list devices --format json"),
)
@unused_store_option
@format_option
@version_option
def command(output_format: str) -> int:
    """List the kinds of devices: what this machine has of each, or why it cannot be used."""
    records = _records()
    if output_format in ("table", "md"):  # people read both in one column
        records = [
            {**record, "here": f"no: {record['unavailable']}" if record["unavailable"] else record["here"]}
            for record in records
        ]
    print_list(records, output_format, "devices", hidden=("unavailable",))
    return errors.EXIT_OK


def _records() -> list[Record]:
    absent = {name: nvml.unavailable(name) for name in catalog.DEVICES}
    return [
        {
            "name": entry.name,
            "here": None if absent[entry.name] else _description(entry.name),
            "unavailable": (absent[entry.name] or "").partition(": ")[2] or None,
            "summary": entry.summary,
        }
        for entry in catalog.DEVICES.values()
    ]


def _description(device: str) -> str:
    if device == "cuda":
        return ", ".join(f"cuda:{number} {gauge.facts().title}" for number, gauge in enumerate(nvml.visible()))
    cores = f", {host.usable_cores()} usable cores" if device == "cpu" else ""
    return f"{processor.cpu_model()}{cores}"
