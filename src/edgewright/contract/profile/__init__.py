"""Profiles: mergeable counts of what a model saw and did in one window, in bins fixed by its training data.

A `Schema` holds the bins of one model version and the reference, which is the profile of its training data. A
`Profile` counts rows in those bins; profiles of one schema add up exactly, in any order. See
docs/reference/profiles.md.
"""

from edgewright.contract.profile.counting import Profile, merge_payloads
from edgewright.contract.profile.features import Feature, FeatureKind, Measure, features
from edgewright.contract.profile.schema import (
    FeatureBins,
    Schema,
    build_schema,
    decode_schema,
    encode_schema,
)

__all__ = [
    "Feature",
    "FeatureBins",
    "FeatureKind",
    "Measure",
    "Profile",
    "Schema",
    "build_schema",
    "decode_schema",
    "encode_schema",
    "features",
    "merge_payloads",
]
