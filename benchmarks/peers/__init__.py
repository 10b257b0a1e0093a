"""Other rule engines, given the same promotions and baskets, for `python -m benchmarks kernel`."""
