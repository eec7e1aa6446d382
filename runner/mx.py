"""The mail exchangers of a domain: a target that names one becomes a target for each of them (RFC 5321 section 5.1).

It asks the name server that the system is set up with, through dnspython (the extra `dns`), within a few seconds. It
must not connect to a mail server, and an answer is outside text: only host names come out of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.errors import InputError, Problem, ToolError, escape
from runner.language.target import is_host_name

if TYPE_CHECKING:
    from dns.resolver import Resolver

    from runner.language.project import Target

# Seconds for one domain, all name servers and repetitions together.
LOOKUP_SECONDS = 5.0
# Each is a target of its own. Large providers name a dozen; an answer has room for thousands.
MOST_EXCHANGERS = 50
_MISSING = "a target with 'mx' needs the extra 'dns': pip install 'mailproof[dns]'"


def exchangers(targets: Iterable[Target], resolver: Resolver | None = None) -> list[Target]:
    """Return the targets, in place of each that names a domain one for every mail exchanger, the preferred first.

    `resolver` is whom to ask, the system's if left out.

    Raises:
        InputError: domains that take no mail, or that there are none of, each at its place.
        ToolError: dnspython is not installed, or no name server answers.
    """
    found: list[Target] = []
    problems: list[Problem] = []
    for target in targets:
        if not target.is_domain:
            found.append(target)
            continue
        try:
            hosts = _hosts(target.host, resolver or _system_resolver())
        except ValueError as error:
            problems.append(Problem(target.span, str(error), "name another domain, or a server by 'url'"))
        else:
            found += [_of(target, host) for host in hosts]
    if problems:
        raise InputError(problems)
    return found


def _of(target: Target, host: str) -> Target:
    url = f"{target.scheme}://{host}:{target.port}"
    return replace(target, name=f"{target.name} {host}", url=url, host=host, is_domain=False)


def _system_resolver() -> Resolver:
    try:
        from dns.resolver import NoResolverConfiguration, Resolver  # noqa: PLC0415 -- an extra, for few targets
    except ModuleNotFoundError as error:
        raise ToolError(_MISSING) from error
    try:
        return Resolver()
    except NoResolverConfiguration as error:
        raise ToolError("this machine names no name server (/etc/resolv.conf): no 'mx' can be looked up") from error


def _hosts(domain: str, resolver: Resolver) -> list[str]:
    """Return the names of a domain's mail exchangers, in order of preference; its own where it names none.

    Raises:
        ValueError: it takes no mail, there is no such domain, or what it names is no host.
        ToolError: nobody answers.
    """
    import dns.exception  # noqa: PLC0415
    import dns.name  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        name = dns.name.from_text(domain, idna_codec=dns.name.IDNA_2008)
    except dns.name.NoIDNA2008 as error:
        raise ToolError(_MISSING) from error
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"'{domain}' is no domain name") from error
    try:
        answer = resolver.resolve(name, "MX", search=False, raise_on_no_answer=False, lifetime=LOOKUP_SECONDS)
    except dns.resolver.NXDOMAIN:
        raise ValueError(f"there is no domain '{domain}'") from None
    except dns.resolver.NoNameservers:
        raise ToolError(f"no mail exchanger of '{domain}' can be had: no name server has a good answer") from None
    except dns.exception.Timeout:
        reason = f"no name server answers within {LOOKUP_SECONDS:g} s"
        raise ToolError(f"no mail exchanger of '{domain}' can be had: {reason}") from None
    except (dns.exception.DNSException, OSError) as error:
        raise ToolError(f"no mail exchanger of '{domain}' can be had: {escape(str(error))}") from error
    records = sorted((record.preference, record.exchange.to_text(omit_final_dot=True).lower()) for record in answer)
    hosts = list(dict.fromkeys(host for _, host in records))
    if hosts == ["."]:
        raise ValueError(f"'{domain}' takes no mail: its MX says so (RFC 7505)")
    if len(hosts) > MOST_EXCHANGERS:
        raise ValueError(f"'{domain}' names {len(hosts)} mail exchangers, more than {MOST_EXCHANGERS}")
    if wrong := [host for host in hosts if not is_host_name(host)]:
        raise ValueError(f"the mail exchanger '{wrong[0]}' of '{domain}' is no host name")
    # RFC 5321 section 5.1: without an MX the domain's own address is meant.
    return hosts or [name.to_text(omit_final_dot=True)]
