"""The player: one case as a machine, without I/O."""

from runner.player.player import Player

__all__ = ["Player"]
