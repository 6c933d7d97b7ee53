"""The process of a rank from 1 on: it joins the group, and does what rank 0 tells all ranks."""

from __future__ import annotations

import faulthandler
import os
import sys
from pathlib import Path

from dctbench import catalog
from dctbench.errors import UnavailableError
from dctbench.protocol import MeasureRequest, decode_request
from dctbench.worker.ranks.children import READY
from dctbench.worker.ranks.failure import encode, failure_of
from dctbench.worker.supervisor import die_with_parent


def main(argv: list[str]) -> int:
    """Serve as one rank.

    Args:
        argv: the number of the rank, the folder in which the ranks find each other, the seconds after which collectives
            give up, the descriptor of the pipe to rank 0, and the id of its process. The request is read from standard
            input.

    Returns:
        The exit code.
    """
    rank, folder, seconds, pipe, parent = int(argv[0]), Path(argv[1]), float(argv[2]), int(argv[3]), int(argv[4])
    os.set_inheritable(pipe, False)
    die_with_parent(parent)
    faulthandler.enable()
    request = decode_request(sys.stdin.buffer.readline())
    assert isinstance(request, MeasureRequest)
    try:
        _follow(request, rank, folder, seconds, pipe)
    except BaseException as error:
        os.write(pipe, encode(failure_of(error, request.case)))
        return 1
    return 0


def _follow(request: MeasureRequest, rank: int, folder: Path, seconds: float, pipe: int) -> None:
    import torch

    from dctbench.worker.ranks.group import Group
    from dctbench.worker.ranks.member import Member, share_threads

    case = request.case
    device = catalog.DEVICES[case.device_kind].load()
    absent = device.unavailable(case.devices[rank])
    if absent is not None:
        raise UnavailableError(absent)
    device.use(case.devices[rank])
    share_threads(case)
    os.write(pipe, READY)  # from here on a rank that fails breaks the connections of the others
    group = Group(case, rank, folder, seconds)
    with torch.inference_mode():
        Member(case, device, group, request.rates, request.cache or device.CACHE).follow()
    group.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
