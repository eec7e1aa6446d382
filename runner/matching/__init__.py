"""Patterns and expectations: pure judgement of replies."""
