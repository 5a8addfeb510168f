"""What is on the air: alphabets, user data headers, segments, reassembly, addresses.

Pure: no clock, no I/O, and nothing of the gateway is imported.
"""
