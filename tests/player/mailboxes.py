"""Conversations over the other protocols: `converse('imap', steps, *turns)`."""

from __future__ import annotations

from memory import EOF
from playing import run_steps

URLS = {
    "imap": "imap://127.0.0.1:143",
    "pop3": "pop3://127.0.0.1:110",
    "sieve": "sieve://127.0.0.1:4190",
    "tcp": "tcp://127.0.0.1:7",
}
GREETINGS = {
    "imap": b"* OK hello\r\n",
    "pop3": b"+OK hello <1896.697170952@dbc.mtview.ca.us>\r\n",
    "sieve": b'"SIEVE" "fileinto"\r\n"STARTTLS"\r\nOK\r\n',
}


def mailbox(*turns):
    """Return a server that says one turn, then one more each time the client has written; it answers a goodbye."""

    def server():
        heard = b""
        for turn in turns:
            heard = yield turn
        while not heard or not heard.endswith((b"LOGOUT\r\n", b"QUIT\r\n")):
            heard = yield None
        last = heard.removesuffix(b"\r\n").rpartition(b"\n")[2]
        tag, _, command = last.rpartition(b" ")
        yield ((b"* BYE\r\n%b OK bye\r\n" % tag if tag else b"+OK\r\n" if command == b"QUIT" else b"OK\r\n"), EOF)

    return server


def converse(protocol, steps, *turns, greets=True, **given):
    """Play steps against a server that greets and then says these turns, or against the server that is the only one."""
    if len(turns) == 1 and callable(turns[0]):
        server = turns[0]
    else:
        server = mailbox(*([GREETINGS[protocol]] if greets else []), *turns)
    given.setdefault("url", URLS[protocol])
    top = f"protocol: {protocol}\n{given.pop('top', '')}"
    return run_steps(steps, server, top=top, **given)


def transcript(played):
    """Return the lines of the first transcript."""
    return [str(line) for line in played.result.transcripts[0].lines()]
