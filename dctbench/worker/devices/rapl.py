"""Intel's and AMD's running average power limit counters, through the kernel's powercap files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dctbench.errors import UnavailableError
from dctbench.machine.host import read_text

_MICRO = 1e-6
POWERCAP = Path("/sys/class/powercap")


@dataclass(slots=True)
class _Domain:
    """One package's counter. It starts again at zero after `range` microjoules, minutes of full load."""

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
    """The processor packages of the machine together: whatever else runs there is counted too."""

    domains: list[_Domain]
    source: str = field(default="RAPL, all packages, other processes included", init=False)
    tick: float = field(default=1e-3, init=False)

    @classmethod
    def find(cls, powercap: Path = POWERCAP) -> Rapl:
        """The counters of every package.

        Raises:
            UnavailableError: where there are none, or where this user may not read them.
        """
        packages = [
            folder
            for folder in sorted(powercap.glob("*-rapl:*"))
            if folder.name.count(":") == 1 and (read_text(str(folder / "name")) or "").startswith("package")
        ]
        if not packages:
            raise UnavailableError(
                "this machine shows no RAPL counter under /sys/class/powercap (virtual machines do not)"
            )
        domains = []
        for folder in packages:
            counter = folder / "energy_uj"
            try:
                first = int(counter.read_text(encoding="ascii"))
            except (OSError, ValueError):
                raise UnavailableError(
                    f"the RAPL counter {counter} is not readable by this user",
                    hint="root may allow it: chmod a+r on that file, until the next restart",
                ) from None
            domains.append(_Domain(counter, int(read_text(str(folder / "max_energy_range_uj")) or 0), first))
        return cls(domains)

    def joules(self) -> float:
        """Joules since the machine was started, or since some wrap of the counter before this object was made."""
        return sum(domain.microjoules() for domain in self.domains) * _MICRO
