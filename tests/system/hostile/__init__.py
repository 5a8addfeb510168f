"""A carrier that does everything wrong beside one that does not, and the real daemon between them."""
