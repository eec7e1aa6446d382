"""What a server is: the questions that a probe asks, the facts in the answers, and both as a table and as a scenario.

Pure: questions are the texts of scenarios, which a run plays; answers are its results.
"""
