"""The demonstration: real models through their whole life on this machine, with what every user can use."""
