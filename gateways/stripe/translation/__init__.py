"""Stripe's objects in our words: one module per object family, plain dictionaries in, notices and port types out.

Written for every generation of Stripe's API that still delivers to us; a shape that none of them has raises `ShapeUnknown`.
"""
