"""Stripe behind the gateway's port. The only folder that imports its SDK."""
