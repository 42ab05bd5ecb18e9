"""What an event is and what we decide about it: pure functions over values."""
