"""From what an operator has to a scenario, and a scenario kept in order: texts and conversations in, texts out.

Nothing here opens a file or a connection.
"""
