"""The RAPL energy counters of Intel and AMD processors, from the kernel's powercap files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dctbench.errors import UnavailableError
from dctbench.machine.system_files import read_text

_MICRO = 1e-6
POWERCAP = Path("/sys/class/powercap")


@dataclass(slots=True)
class _Domain:
    """The counter of one package. It wraps to zero after `range` microjoules, minutes of full load."""

    path: Path
    range: int
    last: int
    wraps: int = 0

    def microjoules(self) -> int:
        now = int(self.path.read_text(encoding="ascii"))
        self.wraps += now < self.last
        self.last = now
        return now + self.wraps * self.range


@dataclass(slots=True)
class Rapl:
    """The energy of all processor packages, which includes that of other processes."""

    domains: list[_Domain]
    source: str = field(default="RAPL, all packages, other processes included", init=False)
    tick: float = field(default=1e-3, init=False)

    @classmethod
    def find(cls, powercap: Path = POWERCAP) -> Rapl:
        """Return the counters of all packages.

        Raises:
            UnavailableError: if there are none, or this user may not read them.
        """
        packages = [
            folder
            for folder in sorted(powercap.glob("*-rapl:*"))
            if folder.name.count(":") == 1 and (read_text(str(folder / "name")) or "").startswith("package")
        ]
        if not packages:
            raise UnavailableError(
                "this machine has no RAPL counter under /sys/class/powercap (virtual machines have none)"
            )
        domains = []
        for folder in packages:
            counter = folder / "energy_uj"
            try:
                first = int(counter.read_text(encoding="ascii"))
            except (OSError, ValueError):
                raise UnavailableError(
                    f"the RAPL counter {counter} is not readable by this user",
                    hint="root can allow it until the next restart: chmod a+r on that file",
                ) from None
            domains.append(_Domain(counter, int(read_text(str(folder / "max_energy_range_uj")) or 0), first))
        return cls(domains)

    def joules(self) -> float:
        """Return the joules since a fixed moment before this object was created."""
        return sum(domain.microjoules() for domain in self.domains) * _MICRO
