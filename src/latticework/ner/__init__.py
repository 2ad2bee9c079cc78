"""Entities in Chinese text with your own word list: the Lattice LSTM (Zhang & Yang 2018), and its peers."""
