"""What does this basket get? Pure: the same bytes in give the same bytes out. The door is `engine.decide`."""
