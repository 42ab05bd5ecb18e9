"""Vendors behind the ports: one file a vendor."""
