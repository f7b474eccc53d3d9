"""Commands of the user's: what they are given, how they are heard out, and what becomes of what they leave."""
