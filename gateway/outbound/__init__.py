"""MT: `submit`, the one way in; the queue of each carrier; claims, answers, doubt; and what time does to messages."""
