"""One server's probe: what it is asked, and what it is by all that it has answered.

The first question is what there is without STARTTLS; the rest depends on the answer. Who asks is others' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.authoring.probing.facts import (
    WITH_TLS,
    Encryption,
    Look,
    ServerFacts,
    VersionFact,
    clear_look,
    distrust_of,
    encryption,
    failure_of,
    fault_in,
    greeting_of,
    handshake_of,
    identity_of,
    login_of,
    look_of,
    offers_starttls,
    version_of,
)
from runner.authoring.probing.questions import CLEAR, SECURED, Question
from runner.wire import TLS_VERSIONS, FaultKind

if TYPE_CHECKING:
    from runner.language.project import Target
    from runner.results import CaseResult

_UNVERIFIED, _VERIFIED = "verify: false", "verify: true"
#: The options of a handshake that takes whatever there is.
ANY_VERSION = f"{_UNVERIFIED}, min: TLSv1"
#: The names of questions; those of the versions of TLS are the versions' own.
FIRST, _SECURED, _TRUSTED, _LOGIN = "first", "secured", "trusted", "login"


class Survey:
    """What one target is asked; `answers` are the conversations that came of it, by the question's name.

    `may_log_in` says that there is something to log in with, `must_log_in` that it was given for that alone. `timeout`
    is in seconds.
    """

    def __init__(self, target: Target, timeout: float) -> None:
        self.target = target
        self.may_log_in = self.must_log_in = False
        self.answers: dict[str, CaseResult] = {}
        self._timeout = timeout

    # Questions.

    def _question(self, options: str | None, *, logs_in: bool = False) -> Question:
        timeout = f"{max(1, round(self._timeout * 1000))}ms"
        return Question(self.target.protocol, self.target.implicit_tls, options, logs_in=logs_in, timeout=timeout)

    def first(self, options: str = _UNVERIFIED) -> Question:
        """Return what is asked first: what there is without STARTTLS."""
        return self._question(options if self.target.implicit_tls else None)

    @property
    def is_too_old(self) -> bool:
        """Whether TLS was not to be had in the versions that are good enough today."""
        reason = self.answers[FIRST].reason if FIRST in self.answers else ""
        return self.target.implicit_tls and fault_in(reason)[0] is FaultKind.TLS_PROTOCOL

    def further(self) -> Iterator[tuple[str, Question]]:
        """Iterate over what is asked of a server that has answered, each with a name."""
        if FIRST not in self.answers or failure_of(self.answers[FIRST]):
            return
        if self._has_tls:
            if not self.target.implicit_tls:
                yield _SECURED, self._question(_UNVERIFIED)
            yield _TRUSTED, self._question(_VERIFIED)
            for version in TLS_VERSIONS:
                yield version, self._question(f"{_UNVERIFIED}, min: {version}, max: {version}")

    def last(self) -> Iterator[tuple[str, Question]]:
        """Iterate over what is asked of a server whose mechanisms are known: the login, if there is to be one."""
        if FIRST not in self.answers or failure_of(self.answers[FIRST]):
            return
        _, _, looks = self._encryption()
        if self.must_log_in or (self.may_log_in and any(look.mechanisms for look in looks)):
            yield _LOGIN, self.login(has_tls=self._has_tls)

    def login(self, *, has_tls: bool) -> Question:
        """Return the login, with the target's own wishes: no password goes to whom nobody trusts."""
        options = f"verify: {str(self.target.tls.verify).lower()}"
        return self._question(options if has_tls else None, logs_in=True)

    @property
    def _has_tls(self) -> bool:
        return self.target.implicit_tls or offers_starttls(look_of(self.answers[FIRST], CLEAR, ""))

    # Answers.

    def _clear(self) -> Look:
        return clear_look(self.answers[FIRST], is_implicit=self.target.implicit_tls, has_tls=self._has_tls)

    def facts(self) -> ServerFacts:
        """Return what the answers say."""
        target, answers = self.target, self.answers
        failure = failure_of(answers[FIRST])
        told = target.name if target.name == target.url else f"{target.name} ({target.url})"
        facts = ServerFacts(told, target.protocol, target.host, target.implicit_tls, failure=failure)
        if failure:
            return facts
        greetings = [heard for case in answers.values() if (heard := greeting_of(case)) is not None]
        tls, no_tls, looks = self._encryption()
        login = None
        if _LOGIN in answers:
            login, after = login_of(answers[_LOGIN])
            looks += [after] if after is not None else []
        return replace(
            facts,
            greetings=tuple(greetings),
            looks=tuple(looks),
            tls=tls,
            no_tls=no_tls,
            versions=tuple(self._versions()) if tls is not None else (),
            login=login,
            identity=identity_of(answers.values()),
        )

    def _encryption(self) -> tuple[Encryption | None, str, list[Look]]:
        """Return what TLS is, why there is none, and what the server offers before and after it."""
        is_implicit, answers = self.target.implicit_tls, self.answers
        looks = [self._clear()]
        if _TRUSTED not in answers:
            return None, "", looks
        case = answers[FIRST] if is_implicit else self._secured()
        tls = handshake_of(case, is_implicit=is_implicit)
        if tls is None:
            return None, f"offered, and not to be had: {case.reason}", looks
        if not is_implicit:
            looks.append(look_of(case, SECURED, WITH_TLS))
        return encryption(tls, distrust_of(answers[_TRUSTED], is_implicit=is_implicit)), "", looks

    def _secured(self) -> CaseResult:
        """Return the conversation with STARTTLS; where today's versions are refused, one with an older."""
        best = [self.answers[_SECURED], *(self.answers[version] for version in reversed(TLS_VERSIONS))]
        return next((case for case in best if handshake_of(case, is_implicit=False) is not None), best[0])

    def _versions(self) -> Iterator[VersionFact]:
        for version in TLS_VERSIONS:
            yield version_of(version, self.answers[version], is_implicit=self.target.implicit_tls)
