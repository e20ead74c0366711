"""Quadruples {N, C, II, OI}: what they are, how they are made, and how they are kept."""

from dd3g.quadruples.collect import collect, verify
from dd3g.quadruples.collection import Collection, is_collection, open_quadruples
from dd3g.quadruples.plan import Plan
from dd3g.quadruples.record import Quadruple
from dd3g.quadruples.shard import read_shard, write_shard

__all__ = ["Collection", "Plan", "Quadruple", "collect", "is_collection", "open_quadruples", "read_shard", "verify", "write_shard"]
