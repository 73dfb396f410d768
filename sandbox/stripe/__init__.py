"""A look-alike of Stripe over its wire format, strict where Stripe is. The official SDK and any browser can talk to it."""
