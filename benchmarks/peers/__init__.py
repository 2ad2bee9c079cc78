"""Systems that benchmarks compare with: their exact versions, and the programs that time them."""
