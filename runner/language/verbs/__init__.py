"""The verbs of steps: a mapping of the file becomes a step of the model.

`VERBS` is the one registry: a verb is an entry here (what it compiles to) and one in the player (what it does).
"""

from runner.language.verbs.compiler import VERBS, StepCompiler
from runner.language.verbs.connecting import connect, starttls, tls
from runner.language.verbs.conversing import auth, close, data, expect_alone, send, wait
from runner.language.verbs.grouping import group, pipeline, talk

VERBS.update(
    {
        "expect": expect_alone,
        "connect": connect,
        "send": send,
        "data": data,
        "auth": auth,
        "starttls": starttls,
        "tls": tls,
        "close": close,
        "talk": talk,
        "pipeline": pipeline,
        "steps": group,
        "wait": wait,
    }
)

__all__ = ["VERBS", "StepCompiler"]
