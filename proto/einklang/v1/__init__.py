"""Version 1 of the contract: messages in `*_pb2`, clients and servicers in `*_pb2_grpc`.

Generated from the `.proto` files beside them by `proto/generate.py`; never edited by hand.
"""
