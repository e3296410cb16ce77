"""Simple HTTP gateways, described by YAML alone: what to ask, and how to read the answer. See docs/http-form.md."""
