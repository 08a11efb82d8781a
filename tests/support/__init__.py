"""What the end-to-end tests share: processes with an end, relays, clients and the wire.

Everything is started on a loopback port of its own in a folder of its own, waited for with a
limit, and ended by the id of the process that was started.
"""
