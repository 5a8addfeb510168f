"""Other gateways on the same trace, against the same sink, in turn with smsgw: `python -m bench.peers`.

A peer here is another product (everywhere else in this tree it is a person's phone). Nothing of them is in this
tree or installed by it; bench/README.md says what they need and how to repeat the figures.
"""
