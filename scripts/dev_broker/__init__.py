"""A broker of one store for developers, with TLS, certificates and access list: what
`scripts/dev-broker` runs.
"""
