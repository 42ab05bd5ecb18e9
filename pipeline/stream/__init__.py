"""Faust made durable: batches, watermark, tables, one producer; nothing about tickets."""
