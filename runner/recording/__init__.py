"""Conversations recorded as they are had: typed at a prompt or through a pipe, and kept as what a draft is made from.

What a line means and what is kept is pure (`commands`, `dialogue`, `login`); connection and terminal are around it.
"""
