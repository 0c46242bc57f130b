"""The domain: what to send when, and what a reply means. Knows no AWS, Twilio, clock or environment."""
