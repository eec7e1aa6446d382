"""From file text to scenarios and cases: loader, schema, templates, compile, project."""
