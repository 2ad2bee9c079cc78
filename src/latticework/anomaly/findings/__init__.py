"""What is found in parts, when that is an alarm, and how well it tells defective parts from good ones."""
