"""What Hindi and Urdu share: one spoken language, written in two scripts."""
