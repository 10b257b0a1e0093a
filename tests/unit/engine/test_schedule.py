"""What is appended for a change makes the Timeline say what is wanted at every instant, as a naive oracle does."""

from __future__ import annotations

import hashlib
import random

import pytest

from engine.schedule import (
    Base,
    Cancel,
    Draft,
    NotPossible,
    Pause,
    Resume,
    TooSoon,
    base_before,
    base_entry,
    base_of,
    drafts,
    wishes,
)
from engine.timeline import Timeline, make_entry

LEAD = 10
PROMOTIONS = ("p", "q", "r")


class Shop:
    """A Timeline, and rulesets that are named by their content: a letter and the promotions that they hold."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.content: dict[str, tuple[str, frozenset[str]]] = {}
        self.now = 1_000

    def ruleset(self, letter: str, promotions) -> str:
        content = (letter, frozenset(promotions))
        digest = hashlib.sha256(repr((letter, sorted(promotions))).encode()).hexdigest()
        self.content[digest] = content
        return digest

    def derive(self, digest: str, names: frozenset[str]) -> str:
        letter, promotions = self.content[digest]
        return self.ruleset(letter, promotions - names)

    def do(self, change) -> list[int]:
        """Append what the change asks for; gives the sequences."""
        found = drafts(self.timeline, change, self.derive, self.now + LEAD)
        name = f"change {len(self.timeline.entries)}"
        sequences = []
        for draft in found:
            assert isinstance(draft, Draft)
            assert draft.effective_from_us is not None
            entry = make_entry(
                self.timeline.head,
                effective_from_us=draft.effective_from_us,
                digest=draft.digest,
                kind=draft.kind,
                author="anna",
                reason="",
                sources=draft.sources,
                appended_at_us=self.now,
                promotion=draft.promotion,
                until_us=draft.until_us,
                cancelled=draft.cancelled,
                change_id=name,
            )
            assert draft.effective_from_us >= self.now + LEAD
            self.timeline = self.timeline.extended([entry])
            sequences.append(entry.sequence)
        return sequences

    def says(self, at: int) -> str:
        entry = self.timeline.in_force(at)
        if entry is None:
            return ""
        letter, promotions = self.content[entry.digest]
        return letter + " " + "".join(sorted(promotions))

    def kinds(self, sequences) -> list[str]:
        return [self.timeline.entries[number - 1].kind for number in sequences]


@pytest.fixture
def shop():
    made = Shop()
    made.do(Base(made.ruleset("A", "pqr"), 1_010))
    made.now = 2_000
    return made


def test_a_pause_has_an_end_and_brings_back_what_is_the_base_by_then(shop):
    assert shop.kinds(shop.do(Pause("p", 2_100, 3_000))) == ["pause", "resume"]
    assert [shop.says(at) for at in (2_099, 2_100, 2_999, 3_000)] == ["A pqr", "A qr", "A qr", "A pqr"]
    shop.now = 2_200
    published = shop.do(Base(shop.ruleset("B", "pq"), 2_500))
    assert shop.kinds(published) == ["publish", "pause", "cancel", "resume"], "the old end of the pause is taken back"
    assert [shop.says(at) for at in (2_499, 2_500, 2_999, 3_000)] == ["A qr", "B q", "B q", "B pq"]
    assert shop.timeline.in_force(3_000).kind == "resume"


def test_what_is_taken_back_takes_what_follows_from_it_along(shop):
    shop.do(Pause("p", 2_100, 3_000))
    published = shop.do(Base(shop.ruleset("B", "pq"), 2_500))
    assert shop.says(2_600) == "B q"
    taken = shop.do(Cancel(published[0]))
    assert set(shop.kinds(taken)) <= {"cancel", "resume"}
    assert [shop.says(at) for at in (2_500, 2_999, 3_000)] == ["A qr", "A qr", "A pqr"]
    with pytest.raises(NotPossible, match="taken back already"):
        shop.do(Cancel(published[0]))
    with pytest.raises(NotPossible, match=f"follows from entry {taken[0]}"):
        shop.do(Cancel(taken[-1]))
    with pytest.raises(NotPossible, match="for good"):
        shop.do(Cancel(taken[0]))
    shop.now = 2_095
    with pytest.raises(TooSoon):
        shop.do(Cancel(2))


def test_a_cancelled_pause_leaves_a_ruleset_that_was_scheduled_into_it_whole(shop):
    pause = shop.do(Pause("p", 2_400, 3_000))
    shop.do(Base(shop.ruleset("B", "pq"), 2_500))
    shop.do(Cancel(pause[0]))
    assert [shop.says(at) for at in (2_399, 2_400, 2_500, 3_000)] == ["A pqr", "A pqr", "B pq", "B pq"]
    assert wishes(shop.timeline).pauses == ()


def test_two_pauses_of_one_promotion_hold_until_both_have_ended_or_it_is_resumed(shop):
    shop.do(Pause("p", 2_100, 3_000))
    shop.do(Pause("p", 2_200, 2_300))
    assert [shop.says(at) for at in (2_300, 2_999, 3_000)] == ["A qr", "A qr", "A pqr"]
    shop.now = 2_250
    assert shop.kinds(shop.do(Resume("p", 2_280))) == ["resume", "cancel"], "its end changes nothing any more"
    assert [shop.says(at) for at in (2_279, 2_280, 2_300, 3_000)] == ["A qr", "A pqr", "A pqr", "A pqr"]
    with pytest.raises(NotPossible, match="not paused"):
        shop.do(Resume("p", 2_290))


def test_what_to_go_back_to(shop):
    with pytest.raises(NotPossible):
        base_before(shop.timeline, shop.now)
    shop.do(Base(shop.ruleset("B", "pq"), 2_100))
    shop.now = 2_200
    assert base_before(shop.timeline, shop.now).sequence == 1
    pause = shop.do(Pause("p", 2_300, 2_400))
    assert base_of(shop.timeline, pause[0]).sequence == 2
    assert base_of(shop.timeline, 1).sequence == 1
    shop.do(Base(shop.timeline.entries[0].digest, 2_350, "rollback"))
    assert [shop.says(at) for at in (2_349, 2_350, 2_400)] == ["B q", "A qr", "A pqr"]
    assert [base_entry(shop.timeline, at).kind for at in (2_349, 2_350)] == ["publish", "rollback"]
    with pytest.raises(NotPossible):
        base_of(shop.timeline, 99)


def test_what_cannot_be_is_refused():
    empty = Shop()
    with pytest.raises(NotPossible, match="no ruleset"):
        empty.do(Pause("p", 2_000, 3_000))
    with pytest.raises(NotPossible, match="no ruleset"):
        base_entry(empty.timeline, 5_000)
    first = empty.do(Base(empty.ruleset("A", "p"), 5_000))
    empty.do(Pause("p", 6_000, 7_000))
    with pytest.raises(NotPossible, match="nothing would be in force"):
        empty.do(Cancel(first[0]))
    with pytest.raises(NotPossible, match="before it begins"):
        empty.do(Pause("p", 6_000, 6_000))
    with pytest.raises(NotPossible, match="no entry 9"):
        empty.do(Cancel(9))


class Oracle:
    """What is wanted at an instant, from a list of what people asked for, in the order in which they did."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.asked: list[tuple[int, object]] = []  # sequence of its first entry

    def at(self, instant: int) -> str:
        base, base_at = "", -1
        out = set()
        for name in PROMOTIONS:
            for place, (_, one) in enumerate(self.asked):
                if not (isinstance(one, Pause) and one.promotion == name and one.at_us <= instant < one.until_us):
                    continue
                resumed = False
                for other_place, (_, other) in enumerate(self.asked):
                    if isinstance(other, Resume) and other.promotion == name and other.at_us <= instant:
                        resumed |= other.at_us > one.at_us or (other.at_us == one.at_us and other_place > place)
                if not resumed:
                    out.add(name)
        for _, one in self.asked:
            if isinstance(one, Base) and base_at <= one.at_us <= instant:
                base, base_at = one.digest, one.at_us
        if not base:
            return ""
        letter, promotions = self.shop.content[base]
        return letter + " " + "".join(sorted(promotions - out))


@pytest.mark.parametrize("seed", range(4))
def test_the_timeline_says_at_every_instant_what_was_asked_for(seed):
    chance = random.Random(seed)
    for _ in range(8):
        shop = Shop()
        oracle = Oracle(shop)
        first = Base(shop.ruleset("A", "pqr"), shop.now + LEAD)
        oracle.asked.append((shop.do(first)[0], first))
        refused = 0
        for step in range(14):
            shop.now += chance.choice((1, 5, 30))
            at = shop.now + LEAD + chance.randrange(0, 60, 5)
            digest = shop.ruleset("ABCDEFGHIJKLMNOP"[step + 1], chance.sample(PROMOTIONS, chance.randrange(4)))
            name = chance.choice(PROMOTIONS)
            change = chance.choice(
                (
                    Base(digest, at),
                    Base(chance.choice(list(shop.content)), at, "rollback"),
                    Pause(name, at, at + chance.randrange(5, 90, 5)),
                    Pause(name, at, at + chance.randrange(5, 90, 5)),
                    Resume(name, at),
                    Cancel(chance.choice(oracle.asked)[0]),
                )
            )
            known = {entry.effective_from_us + d for entry in shop.timeline.entries for d in (-1, 0)}
            past = [(moment, shop.says(moment)) for moment in known if moment < shop.now + LEAD]
            try:
                sequences = shop.do(change)
            except (NotPossible, TooSoon):
                refused += 1
                continue
            if isinstance(change, Cancel):
                oracle.asked = [one for one in oracle.asked if one[0] != change.sequence]
            else:
                oracle.asked.append((sequences[0], change))
            assert past == [(moment, shop.says(moment)) for moment, _ in past], "what was is not changed"
            instants = {entry.effective_from_us for entry in shop.timeline.entries}
            instants |= wishes(shop.timeline).instants()
            for moment in sorted({m + d for m in instants for d in (-1, 0, 1)}):
                assert shop.says(moment) == oracle.at(moment), (seed, step, change, moment)
        assert refused < 14
