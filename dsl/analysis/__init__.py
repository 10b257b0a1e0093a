"""What is wrong with a ruleset as a whole, though every line of it is right. Each claim is a proof."""
