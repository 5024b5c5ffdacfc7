"""The control plane: pure deciders, and the rooms that act on what they decide."""
