"""What runs on a door: the pure decision and the simulated lock around it."""
