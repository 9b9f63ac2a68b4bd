"""The border with NautilusTrader: everything that must know both it and our own nouns."""
