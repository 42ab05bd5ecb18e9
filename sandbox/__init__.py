"""The outside world for development: a broker, vendors and customers as real processes."""
