"""What happens to an event, one small file a stage."""
