"""HTTP for every blueprint: problems, the OpenAPI description, operators, throttling, a client."""
