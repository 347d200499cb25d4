"""Operations and memory of a forward pass."""
