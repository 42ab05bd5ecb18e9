"""What the stream remembers: the rows of each stage's durable table."""
