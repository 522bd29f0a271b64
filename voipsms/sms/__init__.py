"""What an SMS is made of, without any input or output: alphabets, headers, parts, receipts, numbers."""
