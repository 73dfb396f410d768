"""One module per Stripe resource: its calls, what they accept, and the shape of its object."""
