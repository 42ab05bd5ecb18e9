"""Webhooks in: authenticate, persist raw, acknowledge."""
