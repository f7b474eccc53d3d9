"""What is learnt from requests on the side: profiles, copies for a shadow phase, samples worth a person's label.

Nothing here fails a request or keeps one waiting for the disk.
"""
