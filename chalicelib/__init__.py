"""Adapters: everything that touches AWS, Twilio, the clock or the environment."""
