"""What every process stands on, one file per outside thing. Knows no word of the domain."""
