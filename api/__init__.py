"""HTTP: routes, request and response models, authentication, errors to status."""
