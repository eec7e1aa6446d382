"""A scenario's other half, played as a server, so that a scenario can be tried, a client tested, a failure rehearsed.

`machine` is the server's half of one case, pure; `synthesis` makes what it says of what the steps expect. `preparing`
makes cases that need no target, `alone` plays both halves without a socket, `workshop` puts this together, and `server`
has the sockets.
"""
