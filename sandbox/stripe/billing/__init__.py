"""Subscriptions through time: what starts, renews, changes and ends them, and how their invoices are collected."""
