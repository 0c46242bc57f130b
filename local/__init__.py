"""What runs only on your machine: embedded AWS, sandbox provider, clock you can wind, rehearsal."""
