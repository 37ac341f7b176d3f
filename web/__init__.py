"""The door: REST and sockets in front of the road."""
