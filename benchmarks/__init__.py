"""What is measured and shown: real receipts, generated volume, the demo. Nothing here is imported by the product."""
