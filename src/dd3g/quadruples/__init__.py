"""Quadruples {N, C, II, OI}: what they are, and how they are kept."""

from dd3g.quadruples.record import Quadruple
from dd3g.quadruples.shard import read_shard, write_shard

__all__ = ["Quadruple", "read_shard", "write_shard"]
