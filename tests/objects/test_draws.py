"""Random numbers from a key."""

import numpy as np
import pytest

from dd3g.objects.draws import Draws


def test_golden_values():
    """The same on every machine and with every NumPy; objects and rigs of every data set hang on them."""
    assert Draws("golden", 7).uniforms(3).tolist() == [0.17495328668087173, 0.7585407543120514, 0.7684720620683663]


def test_stream_depends_on_its_key_only():
    assert Draws("a", 1).uniform() == Draws("a", 1).uniform()
    assert len({Draws(*key).uniform() for key in (("a", 1), ("a", 2), ("b", 1), ("a",))}) == 4


def test_branch_does_not_depend_on_what_was_drawn_before():
    one, other = Draws("a"), Draws("a")
    one.uniforms(10)
    assert one.branch("x").uniform() == other.branch("x").uniform()
    assert other.branch("x").uniform() != other.branch("y").uniform()


def test_pieces_of_a_stream_are_the_stream():
    whole, pieces = Draws("a"), Draws("a")
    assert whole.uniforms(5).tolist() == [*pieces.uniforms(2).tolist(), pieces.uniform(), *pieces.uniforms(2).tolist()]


def test_ranges():
    draws = Draws("ranges")
    numbers = [draws.uniform(2.0, 3.0) for _ in range(500)]
    assert min(numbers) >= 2
    assert max(numbers) < 3
    assert np.mean(numbers) == pytest.approx(2.5, abs=0.05)  # five standard errors
    assert {draws.integer(-1, 2) for _ in range(100)} == {-1, 0, 1, 2}
    assert {draws.sign() for _ in range(20)} == {-1, 1}
    assert draws.chance(1.0)
    assert not draws.chance(0.0)


def test_pick_follows_its_weights():
    draws = Draws("weights")
    picks = [draws.pick("abc", (1, 0, 3)) for _ in range(1000)]
    assert picks.count("b") == 0
    assert picks.count("c") == pytest.approx(750, abs=70)  # five standard deviations
    assert {draws.pick("ab") for _ in range(30)} == {"a", "b"}


def test_shuffled_keeps_the_items():
    orders = {tuple(Draws("s", i).shuffled("abc")) for i in range(60)}
    assert len(orders) == 6
    assert {tuple(sorted(order)) for order in orders} == {("a", "b", "c")}
