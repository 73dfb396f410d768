"""What takes the money: one port, and a folder for each gateway behind it."""
