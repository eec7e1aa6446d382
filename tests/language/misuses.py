"""The likeliest misuse of each key of the language, and the one message that it brings.

Keys are written with what they stand in: `step`, `scenario`, `project`, `fragment_file`, or another key.
"""

from __future__ import annotations

from typing import Literal

Misuse = tuple[Literal["scenario", "project"], str, str]


def step(text: str, message: str) -> Misuse:
    """A scenario of one step."""
    return "scenario", f"name: x\nsteps:\n  - {text}\n", message


def scenario(text: str, message: str) -> Misuse:
    """A scenario with something at its top."""
    return "scenario", f"name: x\n{text}\nsteps:\n  - expect: 220\n", message


def whole(text: str, message: str) -> Misuse:
    """A whole scenario or fragment."""
    return "scenario", text, message


def project(text: str, message: str) -> Misuse:
    """A project file."""
    return "project", f"{text}\n", message


def fetched(text: str, message: str) -> Misuse:
    """A step that judges a message."""
    return whole(f"name: x\nprotocol: pop3\nsteps:\n  - send: RETR 1\n    expect: +OK\n    message: {text}\n", message)


def speaking(protocol: str, text: str, message: str) -> Misuse:
    """A scenario of one step in another protocol."""
    return whole(f"name: x\nprotocol: {protocol}\nsteps:\n  - {text}\n", message)


def append(literal: str, message: str) -> Misuse:
    """A line of IMAP that ends with a literal."""
    return speaking("imap", f"{{send: APPEND INBOX, literal: {literal}}}", message)


MISUSES: dict[str, Misuse] = {
    "auth.authzid": step("auth: {mechanism: LOGIN, authzid: alice}", "LOGIN takes no 'authzid'"),
    "auth.channel_binding": step("auth: {mechanism: PLAIN, channel_binding: tls-unique}", "'PLAIN' binds to nothing"),
    "auth.initial": step("auth: {mechanism: PLAIN, initial: never}", "'never' is neither true nor false"),
    "auth.mechanism": step("auth: {mechanism: CRAMMD5}", "unknown mechanism 'CRAMMD5'"),
    "auth.password": step("auth: {mechanism: EXTERNAL, password: x}", "EXTERNAL takes no 'password'"),
    "auth.token": step("auth: {mechanism: PLAIN, token: x}", "PLAIN takes no 'token'"),
    "auth.username": step("auth: {mechanism: PLAIN, username: [alice]}", "a list where a text is due"),
    "bdat.file": step("bdat: {file: nosuch.eml}", "there is no file 'nosuch.eml'"),
    "data.file": step("data: {file: ../secret.eml}", "'../secret.eml' leads out of the folder 'docs'"),
    "data.fill": step("data: {size: 1MB, fill: true}", "'fill' fills placeholders in a file"),
    "data.sample": step("data: {sample: eicra}", "'sample' can't be 'eicra'"),
    "data.size": step("data: {size: 10 mb}", "'10 mb' is no size: 512, 64KiB, 10MB"),
    "bytes.base64": step("bytes: {base64: 'Tk9'}", "'Tk9' is no base64"),
    "bytes.file": step("bytes: {file: messages}", "'messages' is a folder"),
    "bytes.hex": step("bytes: {hex: '\\r\\n'}", "'\\r\\n' is no hex"),
    "capabilities.exactly": step(
        "send: EHLO x\n    expect: 250\n    capabilities: {AUTH: {exactly: PLAIN}}", "a text where a list is due"
    ),
    "capabilities.lacks": step(
        "send: EHLO x\n    expect: 250\n    capabilities: {AUTH: {lack: [PLAIN]}}", "unknown key 'lack'"
    ),
    "connect.family": step("connect: {family: inet6}", "'family' can't be 'inet6'"),
    "connect.proxy_protocol": step("connect: {proxy_protocol: 2}", "'proxy_protocol' can't be '2'"),
    "connect.source_address": step(
        "connect: {source_address: client.example.com}", "'client.example.com' is no IP address"
    ),
    "connect.tls": step("connect: {tls: true}", "a text where a mapping is due"),
    "proxy_protocol.destination": step(
        "connect: {proxy_protocol: {version: v2, source: 192.0.2.7:1, destination: '[2001:db8::1]:25'}}",
        "the client 192.0.2.7 is of IPv4, the destination 2001:db8::1 of IPv6: name a 'destination' of IPv4",
    ),
    "proxy_protocol.source": step(
        "connect: {proxy_protocol: {version: v2, source: client.example.com}}",
        "'client.example.com' is no IP address with a port: 192.0.2.7:1234 or [2001:db8::7]:1234",
    ),
    "proxy_protocol.version": step("connect: {proxy_protocol: {source: 192.0.2.7:1, vers: v2}}", "unknown key 'vers'"),
    "attachments.lacks": fetched("{attachments: {lack: '*.exe'}}", "unknown key 'lack'"),
    "headers.lacks": fetched("{headers: {Received: {lacks: }}}", "nothing where a text or a list is due"),
    "literal.file": append("{file: ../secret.eml}", "'../secret.eml' leads out of the folder 'docs'"),
    "literal.fill": append("{size: 1MB, fill: true}", "'fill' fills placeholders in a file"),
    "literal.sample": append("{sample: eicra}", "'sample' can't be 'eicra'"),
    "literal.size": append("{size: 10 mb}", "'10 mb' is no size: 512, 64KiB, 10MB"),
    "literal.sync": speaking(
        "sieve", "{send: PUTSCRIPT, literal: {text: x, sync: true}}", "'sync' is for IMAP; here nothing is waited for"
    ),
    "literal.text": append("{text: x, file: messages/newsletter.eml}", "'text' and 'file' in one { }"),
    "message.attachments": fetched("{attachments: '*.pdf'}", "'*.pdf' is no whole number from 0"),
    "message.body": fetched("{body: /total (/}", "'(' without ')'"),
    "message.headers": fetched("{headers: {'Subject:': x}}", "'Subject:' is no header's name"),
    "message.lacks": fetched("{lacks: {body: x}}", "a mapping where a text or a list is due"),
    "message.size": fetched("{size: '=> 10MB'}", "'=> 10MB' is no size: 512, 64KiB, 10MB"),
    "repeat.as": step("repeat: {each: [a, b], as: unique}\n    steps: [{expect: 220}]", "'unique' is a built-in name"),
    "repeat.each": step("repeat: {each: a, as: x}\n    steps: [{expect: 220}]", "a text where a list is due"),
    "retry.every": step(
        "retry: {every: 60s, for: 30s}\n    steps: [{expect: 220}]", "a pause longer than all attempts together, 30s"
    ),
    "retry.for": step("retry: {every: 2s, for: 60}\n    steps: [{expect: 220}]", "'60' is no duration; say 60s"),
    "step.auth": step("auth: {username: alice, password: x}", "'mechanism' is missing"),
    "step.bdat": step("bdat: ", "nothing where a text or a mapping is due"),
    "step.because": step("expect: 220\n    because:", "nothing where a text is due"),
    "step.bytes": step("bytes: 'NOOP\\q'", "'\\q' is no escape"),
    "step.capabilities": step(
        "send: EHLO x\n    expect: 250\n    capabilities: 'SIZE DSN'", "a text where a list or a mapping is due"
    ),
    "step.capture": step(
        "send: NOOP\n    expect: 250\n    capture: {id: queued as *}", "'queued as *' can't be captured"
    ),
    "step.close": step("close:", "nothing where a text is due"),
    "step.connect": step("connect: smtp://mx.example.com", "a text where nothing or a mapping is due"),
    "step.data": step("data: {size: 10MB, sample: gtube}", "'size' and 'sample' in one { }"),
    "step.dot_stuffing": step("send: DATA\n    dot_stuffing: false", "'dot_stuffing' belongs to 'data'"),
    "step.else": step("steps: [{expect: 220}]\n    else: [{expect: 554}]", "'else' without a 'when'"),
    "step.encode": step("send: x\n    encode: base46", "'encode' can't be 'base46'"),
    "step.end": step("data: x\n    end: |\n      .", "a line end or NUL in the text itself"),
    "step.eol": step("send: NOOP\n    eol: '\\n'", "'eol' can't be '\\n'"),
    "step.expect": step("send: NOOP\n    expect: 250OK", "a blank is due after '250'"),
    "step.literal": step("{send: 'MAIL FROM:<>', literal: x}", "'literal' has no meaning in smtp"),
    "step.tag": speaking("imap", "{send: NOOP, tag: a1}", "'tag' can't be 'a1'"),
    "step.untagged": speaking("imap", "expect: untagged", "untagged data: which?"),
    "step.until": speaking("tcp", "{expect: x, until: END}", "'END' is no regex"),
    "until.lines": speaking("tcp", "{expect: x, until: {lines: 0}}", "'lines' of nothing ends no reply"),
    "until.silence": speaking("tcp", "{expect: x, until: {silence: 2}}", "'2' is no duration; say 2s"),
    "step.expect_each": step("data: x\n    expect_each: 250", "a text where a list or a mapping is due"),
    "step.expect_line": step("expect_line: [220-*]", "a list where a text is due"),
    "step.for": step("send: NOOP\n    for: 2s", "'for' judges a reply, and this step expects none"),
    "step.has": step("send: NOOP\n    has: '*ok*'", "'has' judges a reply, and this step expects none"),
    "step.keep_going": step("keep_going: true\n    steps: [{expect: 220}]", "'keep_going' without a 'repeat'"),
    "step.lacks": step("expect: close\n    lacks: '*x*'", "'lacks' judges a reply, and 'close' is none"),
    "step.last": step("data: x\n    last: true", "'last' belongs to 'bdat'"),
    "step.lines": step("expect: 220\n    lines: 0", "a reply has at least one line"),
    "step.message": step("send: NOOP\n    expect: 250\n    message: {body: x}", "'message' has no meaning in smtp"),
    "step.name": step("expect: 220\n    name: ''", "an empty text"),
    "step.pause": step("send: NOOP\n    pause: 1s", "'pause' belongs to 'bytes'"),
    "step.pipeline": step("pipeline: [{starttls: }]", "'starttls' can't be in a pipeline"),
    "step.rate": step("data: x\n    rate: 1KB", "'1KB' is no rate: 100B/s, 1KB/s, 2MiB/s"),
    "step.repeat": step("repeat: 3", "'repeat' belongs to 'steps'"),
    "step.replies": step(
        "send: NOOP\n    replies: 0\n    expect: 250", "'replies: 0' asks for no reply, and 'expect' for one"
    ),
    "step.retry": step("retry: 3\n    steps: [{expect: 220}]", "a text where a mapping is due"),
    "step.send": step("send:", "nothing where a text is due"),
    "step.session": step("session: other\n    expect: 220", "unknown session 'other'"),
    "step.severity": step("expect: 220\n    severity: error", "'severity' can't be 'error'"),
    "step.starttls": step("starttls: true", "a text where nothing or a mapping is due"),
    "step.steps": step("steps: []", "an empty list of steps"),
    "step.talk": step("talk: |\n      S: 220\n      C: NOOP\n      S: [250, 421]", "a talk can't say alternatives"),
    "step.timeout": step("expect: 220\n    timeout: 30", "'30' is no duration; say 30s"),
    "step.tls": step("tls:\n    expect: 220", "'expect' can't stand beside 'tls'"),
    "step.tls_expect": step(
        "expect: 220\n    tls_expect: {version: TLSv1.3}", "'tls_expect' belongs to 'connect' or 'starttls' or 'tls'"
    ),
    "step.use": step("use: fragments/nosuch.yaml", "there is no file 'fragments/nosuch.yaml'"),
    "step.wait": step("wait: 5", "'5' is no duration; say 5s"),
    "step.when": step("when: STARTTLS\n    expect: 220", "a text where a mapping is due"),
    "step.with": step("use: fragments/submit.yaml\n    with: {to: a}", "'subject' is missing"),
    "step.within": step(
        "expect: silence\n    for: 1s\n    within: 1s",
        "'within' says how soon something comes, and 'silence' is nothing",
    ),
    "starttls.ca": step("starttls: {ca: nosuch.pem}", "there is no file 'nosuch.pem'"),
    "starttls.cert": step("starttls: {cert: ~/client.pem}", "'~/client.pem' is no relative path"),
    "starttls.key": step("starttls: {key: messages/newsletter.eml}", "a 'key' without a 'cert'"),
    "starttls.max": step("starttls: {min: TLSv1.3, max: TLSv1.2}", "max TLSv1.2 is older than min TLSv1.3"),
    "starttls.min": step("starttls: {min: 1.2}", "'min' can't be '1.2'"),
    "starttls.server_name": step("starttls: {servername: mail.example.com}", "unknown key 'servername'"),
    "starttls.verify": step("starttls: {verify: off}", "'off' is neither true nor false"),
    "tls_expect.cipher": step("starttls:\n    tls_expect: {cipher: /AES(/}", "'(' without ')'"),
    "tls_expect.fails": step("starttls:\n    tls_expect: {fails: true}", "'fails' can't be 'true'"),
    "tls_expect.issuer": step(
        "starttls:\n    tls_expect: {fails: expired, issuer: x}",
        "'issuer' has nothing to judge where the handshake must fail",
    ),
    "tls_expect.names": step(
        "starttls:\n    tls_expect: {names: ['*.example.com']}", "'*.example.com' is no name: these are not patterns"
    ),
    "tls_expect.public_key": step(
        "starttls:\n    tls_expect: {public_key: RSA 2048}", "'RSA 2048' is no demand on a key"
    ),
    "tls_expect.same_certificate_as": step(
        "starttls:\n    tls_expect: {same_certificate_as: main}", "'main' is this step's own session"
    ),
    "tls_expect.valid_for": step(
        "starttls:\n    tls_expect: {valid_for: 2 weeks}", "'2 weeks' is no time in days and hours"
    ),
    "tls_expect.version": step("starttls:\n    tls_expect: {version: 1.3}", "'1.3' is no version of TLS"),
    "when.capability": step("when: {capability: [STARTTLS]}\n    starttls:", "a list where a text is due"),
    "when.is": step("when: {is: x}\n    expect: 220", "'is' judges a variable"),
    "when.not": step("when: {not: STARTTLS}\n    expect: 220", "a text where a mapping is due"),
    "when.reply": step("when: {reply: ok}\n    expect: 220", "'ok' is no reply code of smtp"),
    "when.tls": step("when: {tls: TLSv1.3}\n    expect: 220", "'TLSv1.3' is neither true nor false"),
    "when.var": step("when: {var: '${x}'}\n    expect: 220", "'${x}' is no name of a variable"),
    "known_issue.until": scenario("known_issue: {why: x, until: 31.12.2026}", "'31.12.2026' is no day: 2026-12-31"),
    "known_issue.why": scenario("known_issue: {until: 2026-12-31}", "'why' is missing"),
    "matrix.file": scenario("matrix: {file: nosuch.csv}", "there is no file 'nosuch.csv'"),
    "matrix.secrets": scenario("matrix: {file: users.csv, secrets: [passwd]}", "'users.csv' has no column 'passwd'"),
    "requires.capability": scenario("requires: {capabilities: STARTTLS}", "unknown key 'capabilities'"),
    "requires.target_tag": scenario("requires: {target_tag: {mx: true}}", "a mapping where a text or a list is due"),
    "requires.var": scenario("requires: {var: '${external}'}", "'${external}' is no name of a variable"),
    "scenario.cleanup": scenario("cleanup: {send: QUIT}", "a mapping where a list is due"),
    "scenario.deadline": scenario("deadline: 10", "'10' is no duration; say 10s"),
    "scenario.description": scenario("description: [more]", "a list where a text is due"),
    "scenario.known_issue": scenario("known_issue: {}", "'why' is missing"),
    "scenario.matrix": scenario("matrix: {user: alice}", "a text where a list is due"),
    "scenario.name": whole("nmae: x\nsteps:\n  - expect: 220\n", "unknown key 'nmae'"),
    "scenario.protocol": scenario("protocol: esmtp", "'protocol' can't be 'esmtp'"),
    "scenario.requires": scenario("requires: STARTTLS", "a text where a mapping is due"),
    "scenario.secrets": scenario("secrets: {password: x}", "a mapping where a list is due"),
    "scenario.sessions": scenario("sessions: {inbox: lmtp://mx}", "a session's target is named, not written out"),
    "scenario.steps": whole("name: x\nstep:\n  - expect: 220\n", "unknown key 'step'"),
    "scenario.tags": scenario("tags: relay, auth", "a text where a list is due"),
    "scenario.timeout": scenario("timeout: 30 s", "'30 s' is no duration: 500ms, 2s, 1m30s, 1h"),
    "scenario.vars": scenario("vars: {my name: x}", "'my name' is no name for a variable"),
    "sessions.count": scenario("sessions: {c: {count: 0}}", "'0' is no number of connections"),
    "sessions.protocol": scenario("sessions: {c: {protocol: imapp}}", "'protocol' can't be 'imapp'"),
    "sessions.target": scenario("sessions: {c: {target: 'smtp://mx'}}", "a session's target is named, not written out"),
    "fragment.params": whole("fragment: {params: to}\nsteps:\n  - expect: 220\n", "a text where a list is due"),
    "fragment_file.description": whole(
        "fragment:\ndescription:\nsteps:\n  - expect: 220\n", "nothing where a text is due"
    ),
    "fragment_file.fragment": whole(
        "fragment: submit\nsteps:\n  - expect: 220\n", "a text where nothing or a mapping is due"
    ),
    "fragment_file.protocol": whole(
        "fragment:\nprotocol: http\nsteps:\n  - expect: 220\n", "'protocol' can't be 'http'"
    ),
    "fragment_file.steps": whole("fragment:\nsteps: use\n", "a text where a list is due"),
    "defaults.deadline": project("defaults: {deadline: 600}", "'600' is no duration; say 600s"),
    "defaults.limits": project("defaults: {limits: 64KiB}", "a text where a mapping is due"),
    "defaults.line_ends": project("defaults: {line_ends: lf}", "'line_ends' can't be 'lf'"),
    "defaults.timeout": project(
        "defaults: {timeout: half a minute}", "'half a minute' is no duration: 500ms, 2s, 1m30s, 1h"
    ),
    "keyring.service": project(
        "secrets: {password: {keyring: {username: alice, servce: mail}}}", "unknown key 'servce'"
    ),
    "keyring.username": project("secrets: {password: {keyring: {service: mail, user: alice}}}", "unknown key 'user'"),
    "limits.line": project("defaults: {limits: {line: 1}}", "'1' is no limit: from 512 bytes to 1GiB"),
    "limits.literal": project("defaults: {limits: {literal: big}}", "'big' is no size: 512, 64KiB, 10MB"),
    "limits.reply": project(
        "defaults: {limits: {line: 1MiB, reply: 64KiB}}", "the limit for a reply is below that for a line, 1048576"
    ),
    "project.client_name": project("client_name: [a]", "a list where a text is due"),
    "project.defaults": project("defaults: 30s", "a text where a mapping is due"),
    "project.env": project("env: ['${CI}']", "'${CI}' is no name of an environment variable"),
    "project.secrets": project("secrets: {password: hunter2}", "a text where a mapping is due"),
    "project.targets": project("targets: smtp://mx.example.com", "a text where a mapping is due"),
    "project.vars": project("vars: {1st: x}", "'1st' is no name for a variable"),
    "secrets.command": project("secrets: {password: {command: cat /run/password}}", "a text where a list is due"),
    "secrets.env": project("secrets: {password: {env: $PASSWORD}}", "this is no name of an environment variable"),
    "secrets.file": project("secrets: {password: {file: [/run/password]}}", "a list where a text is due"),
    "secrets.keyring": project("secrets: {password: {keyring: alice}}", "this is no SERVICE/USERNAME"),
    "targets.command": project("targets: {x: {command: sendmail -bs}}", "a text where a list is due"),
    "targets.family": project("targets: {x: {url: smtp://mx, family: inet6}}", "'family' can't be 'inet6'"),
    "targets.greylisting": project(
        "targets: {x: {url: smtp://mx, greylisting: yes}}", "'yes' is no duration: 500ms, 2s, 1m30s, 1h"
    ),
    "targets.mx": project("targets: {x: {url: smtp://mx, mx: example.com}}", "'mx' beside 'url'"),
    "targets.plaintext_secrets": project(
        "targets: {x: {url: smtp://mx, plaintext_secrets: true}}", "'plaintext_secrets' can't be 'true'"
    ),
    "targets.protocol": project("targets: {x: {url: smtp://mx, protocol: lmtp}}", "'protocol' is for a command"),
    "targets.proxy_protocol": project(
        "targets: {x: {url: smtp://mx, proxy_protocol: true}}", "'proxy_protocol' can't be 'true'"
    ),
    "targets.secrets": project("targets: {x: {url: smtp://mx, secrets: [password]}}", "a list where a mapping is due"),
    "targets.source_address": project(
        "targets: {x: {url: smtp://mx, source_address: eth0}}", "'eth0' is no IP address"
    ),
    "targets.tags": project("targets: {x: {url: smtp://mx, tags: mx}}", "a text where a list is due"),
    "targets.tls": project("targets: {x: {url: smtp://mx, tls: starttls}}", "a text where a mapping is due"),
    "targets.url": project("targets: {x: {url: mx.example.com}}", "'mx.example.com' is no URL"),
    "targets.vars": project("targets: {x: {url: smtp://mx, vars: [a]}}", "a list where a mapping is due"),
    "tls.ca": project("targets: {x: {url: smtp://mx, tls: {ca: nosuch.pem}}}", "there is no file 'nosuch.pem'"),
    "tls.cert": project("targets: {x: {url: smtp://mx, tls: {cert: nosuch.pem}}}", "there is no file 'nosuch.pem'"),
    "tls.key": project("targets: {x: {url: smtp://mx, tls: {key: mailproof.yaml}}}", "a 'key' without a 'cert'"),
    "tls.max": project(
        "targets: {x: {url: smtp://mx, tls: {min: TLSv1.3, max: TLSv1.2}}}", "max TLSv1.2 is older than min TLSv1.3"
    ),
    "tls.min": project("targets: {x: {url: smtp://mx, tls: {min: TLS1.2}}}", "'min' can't be 'TLS1.2'"),
    "tls.server_name": project("targets: {x: {url: smtp://mx, tls: {server_name: }}}", "nothing where a text is due"),
    "tls.verify": project("targets: {x: {url: smtp://mx, tls: {verify: none}}}", "'none' is neither true nor false"),
}
