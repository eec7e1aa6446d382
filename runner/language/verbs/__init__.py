"""The verbs of steps: a mapping of the file becomes a step of the model.

`VERBS` is the one registry: a verb is an entry here (what it compiles to) and one in the player (what it does).
"""

from runner.language.verbs.bodies import bdat, data, octets
from runner.language.verbs.compiler import VERBS, StepCompiler
from runner.language.verbs.connecting import connect, starttls, tls
from runner.language.verbs.conversing import auth, close, expect_alone, send, wait
from runner.language.verbs.grouping import group, pipeline, talk
from runner.language.verbs.using import use

VERBS.update(
    {
        "expect": expect_alone,
        "connect": connect,
        "send": send,
        "data": data,
        "bdat": bdat,
        "bytes": octets,
        "auth": auth,
        "starttls": starttls,
        "tls": tls,
        "close": close,
        "talk": talk,
        "pipeline": pipeline,
        "steps": group,
        "use": use,
        "wait": wait,
    }
)

__all__ = ["VERBS", "StepCompiler"]
