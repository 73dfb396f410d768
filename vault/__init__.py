"""Personal data, sealed per owner so that it can be shredded: AES-256-GCM under a data key that the master key wraps."""
