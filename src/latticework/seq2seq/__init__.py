"""Text to text: vocabulary, bucketed batches, encoder-decoder and beam search, for translation and parsing."""
