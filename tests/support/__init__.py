"""What tests of several edges share and what is no stand-in of a port: a proxy that breaks
connections.
"""
