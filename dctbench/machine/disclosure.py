"""What an export, a report or a comparison tells about the machine and the user that measured.

A store keeps what it needs to resume a run and to tell machines apart. What is shown or forwarded tells less: variables
by a list of allowed names, home folders as `~`, a label in place of the host name, and nothing of these if it is to be
anonymous.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, count
from pathlib import PurePath
from typing import Any, Self

from dctbench.machine.environment import TUNING_VARIABLES
from dctbench.model import HOST_IS_LABEL, NOT_SHOWN, Case, CaseWarning, Environment, Result, ResultDetails, Run
from dctbench.text.private import home_as_tilde, paths_as_names, replace_words, this_user, users_in

_USER = "(user)"
_SHORTEST = 5
"""Characters. Shorter values of variables, such as 1 or true, are not looked for in messages."""
_OF_LIBRARIES = frozenset({"LD_PRELOAD"})
"""Variables that list files. Only the names of the files are shown."""
_BOARD = re.compile(r"(?<![\w-])(?:MIG-)?(?:GPU|MIG)-[0-9a-f]{4}[0-9a-f-]*(?![\w-])", re.IGNORECASE)
"""The identifier of a GPU, or of a part of one, or the beginning of it: CUDA takes either in CUDA_VISIBLE_DEVICES."""


@dataclass(frozen=True)
class Disclosure:
    """What may be told.

    Attributes:
        anonymous: whether host, user, paths and command are left out.
        hosts: what to show in place of each host name, by fingerprint and name.
        words: what to put in place of names of hosts and users in messages.
        secrets: values of variables, which a layer may have printed.
        models: of the cases. Two that would be told alike are numbered.
    """

    anonymous: bool = False
    hosts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        run: Run,
        environments: Mapping[str, Environment],
        results: Iterable[Result],
        plan: Iterable[Case] = (),
        *,
        anonymous: bool = False,
        host_label: str | None = None,
    ) -> Self:
        """Return what may be told about a run.

        Args:
            run: the run.
            environments: where it was measured, by fingerprint.
            results: of the run.
            plan: cases of the run, which need not have a result.
            anonymous: whether host, user, paths and command are left out.
            host_label: what to show in place of the name of this machine. Other machines, and this one if it is None,
                get a label made of its GPUs, the CPU's model and the fingerprint.
        """
        results = list(results)
        here = socket.gethostname()
        named = {(one.fingerprint, one.host) for one in results}
        named |= {(key, found.host) for key, found in environments.items()}
        hosts = {}
        for fingerprint, host in sorted(named):
            environment = environments.get(fingerprint)
            # Results that were measured here may refer to the labelled environment of an export of the same run.
            labelled = environment is not None and environment.labelled and environment.host == host and not anonymous
            own = host_label if host == here and not anonymous else None
            hosts[fingerprint, host] = host if labelled or not host else own or neutral_label(environment, fingerprint)
        words = {host: label for (_, host), label in hosts.items() if host and host != label}
        words.setdefault(here, "(host)")
        if anonymous:
            texts = [*run.argv, *(one.message or "" for one in results), *(one.details.output or "" for one in results)]
            users = this_user().union(*map(users_in, texts))
            words |= dict.fromkeys(sorted(users), _USER)
        cases = chain(plan, (one.case for one in results))
        models = frozenset(case.model for case in cases if case.model is not None)
        return cls(anonymous, hosts, words, _secrets(run), models)

    @classmethod
    def here(cls, *runs: Run) -> Self:
        """Return what may be told of runs whose only machine is this one."""
        return cls(words={socket.gethostname(): "(host)"}, secrets=frozenset().union(*map(_secrets, runs)))

    def __or__(self, other: Disclosure) -> Disclosure:
        """Return what may be told of two runs together."""
        return Disclosure(
            self.anonymous or other.anonymous,
            {**self.hosts, **other.hosts},
            {**self.words, **other.words},
            self.secrets | other.secrets,
            self.models | other.models,
        )

    def text(self, text: str) -> str:
        """Return a free text, such as a message, without what must not be told."""
        text = home_as_tilde(replace_words(text, dict.fromkeys(sorted(self.secrets), NOT_SHOWN), _SHORTEST))
        if self.anonymous:
            text = _BOARD.sub(NOT_SHOWN, paths_as_names(text))
        return replace_words(text, self.words)

    def values(self, value: Any) -> Any:
        """Return JSON-like data in which every string is told as `text` tells it; keys stay."""
        return _mapped(value, self.text)

    def host(self, fingerprint: str, host: str) -> str:
        """Return what to show in place of a host name."""
        return self.hosts.get((fingerprint, host)) or (host and neutral_label(None, fingerprint))

    def run(self, run: Run) -> Run:
        """Return a run without what must not be told: of variables that do not affect speed only the names remain."""
        settings = replace(
            run.settings,
            env=self.variables(run.settings.env),
            check=self.values(run.settings.check),
            extra=self.values(run.settings.extra),
            anonymous=self.anonymous or run.settings.anonymous,
        )
        return replace(
            run,
            label=None if run.label is None else self.text(run.label),
            argv=() if self.anonymous else tuple(map(self.text, run.argv)),
            settings=settings,
        )

    def variables(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return environment variables with the values of those that affect speed."""
        return {name: self._value(name, value) for name, value in variables.items()}

    def _value(self, name: str, value: Any) -> Any:
        if name not in TUNING_VARIABLES:
            return NOT_SHOWN
        if name in _OF_LIBRARIES and isinstance(value, str):
            return " ".join(PurePath(part).name for part in value.replace(":", " ").split())
        told = self.values(value)
        # A run whose values are not all known is not measured again.
        return NOT_SHOWN if isinstance(told, str) and NOT_SHOWN in told else told

    def environment(self, environment: Environment) -> Environment:
        """Return an environment whose host is a label. Its fingerprint stays, since results refer to it."""
        facts = self.values(dict(environment.facts))
        if environment.host:
            facts |= {"host": self.host(environment.fingerprint, environment.host), HOST_IS_LABEL: True}
        for name in ("allocator", "thread_env"):
            if isinstance(facts.get(name), dict):
                facts[name] = self.variables(environment.facts[name])
        if self.anonymous:
            facts.pop("git", None)
            if isinstance(facts.get("gpu"), list):
                facts["gpu"] = [{key: value for key, value in gpu.items() if key != "uuid"} for gpu in facts["gpu"]]
        return Environment(facts, environment.fingerprint)

    def result(self, result: Result) -> Result:
        """Return a result whose texts and host are told as they may be. Measurements stay."""
        return replace(
            result,
            case=self.case(result.case),
            message=None if result.message is None else self.text(result.message),
            warnings=tuple(CaseWarning(one.code, self.values(dict(one.values))) for one in result.warnings),
            details=self._details(result.details),
            host=self.host(result.fingerprint, result.host),
        )

    def case(self, case: Case) -> Case:
        """Return a case whose model is told as it may be: `hf:FOLDER` may hold the path of a home folder."""
        if case.model is None:
            return case
        return replace(case, model=self._told_models.get(case.model) or self.text(case.model))

    @cached_property
    def _told_models(self) -> Mapping[str, str]:
        """What to show in place of each model. Without the numbers, the cases of two models could become one."""
        told = {model: self.text(model) for model in sorted(self.models)}
        alike = {name for name, times in Counter(told.values()).items() if times > 1}
        taken = set(told.values())
        for model, name in told.items():
            if name in alike:
                told[model] = next(one for i in count(1) if (one := f"{name} ({i})") not in taken)
                taken.add(told[model])
        return told

    def _details(self, details: ResultDetails) -> ResultDetails:
        changed = {}
        for name, value in vars(details).items():
            if value and isinstance(value, str | Mapping):
                told = self.values(value if isinstance(value, str) else dict(value))
                if told != value:
                    changed[name] = told
        return replace(details, **changed) if changed else details


def _secrets(run: Run) -> frozenset[str]:
    """Return the values of variables that are not shown."""
    hidden = (value for name, value in run.settings.env.items() if name not in TUNING_VARIABLES)
    return frozenset(hidden) - {NOT_SHOWN}


def neutral_label(environment: Environment | None, fingerprint: str) -> str:
    """Return a label for a machine that names nobody: `NVIDIA H200, AMD EPYC 7763, 1a2b3c`."""
    parts = [*environment.gpus, str(environment.facts.get("cpu") or "")] if environment else []
    kind = ", ".join(filter(None, parts))
    return ", ".join(filter(None, (kind[:200] or "a machine", fingerprint[:6])))


def _mapped(value: Any, told: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return told(value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, told) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, told) for item in value]
    return value
