"""The message says what the engine says, in the contract's order."""

import itertools
from types import SimpleNamespace

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine import decision
from engine.decision import Reason, Verdict
from engine.program import Sign, Writing
from server import answers

DECISION = decision.Decision(
    ruleset="a" * 64,
    currency="EUR",
    optimal=False,
    bound=3,
    lines=(
        decision.LineResult(
            "1",
            list=387,
            net=258,
            refund=258,
            tax_rate=700,
            discounts=(decision.LineDiscount("pasta", 129),),
            shares=(decision.UnitShare(2, 129, 86), decision.UnitShare(1, 0, 86)),
        ),
    ),
    promotions=(
        decision.PromotionResult(
            "fashion",
            Reason.CONDITION,
            clause="when basket is worth at least EUR 50.00 of fashion",
            missing=decision.Missing("amount", 1_240, "", "fashion"),
        ),
        decision.PromotionResult("home", Reason.APPLIED, applications=1, code="SAVE", usage_as_given=True),
        decision.PromotionResult("other", Reason.BEATEN, beaten_by="pasta", would_save=100, variant="ten"),
        decision.PromotionResult(
            "pasta",
            Reason.APPLIED,
            applications=1,
            saving=129,
            funding=(decision.Funding("supplier", "Pastella", 77), decision.Funding("us", "", 52)),
            tier=2,
            next_tier=decision.Missing("pieces", 3, "", ""),
        ),
        decision.PromotionResult(
            "weighed", Reason.QUANTITY, clause="buy 1 kg", missing=decision.Missing("measure", 250, "kg", "bananas")
        ),
    ),
    services=("home",),
    fees=(
        decision.FeeResult("home", 495, 0, (decision.LineDiscount("home", 495),)),
        decision.FeeResult("pickup", 100, 100, tax_rate=1_900),
    ),
    codes=(
        decision.CodeVerdict("NIX", Verdict.UNKNOWN),
        decision.CodeVerdict("SAVE", Verdict.APPLIED, "home", Reason.APPLIED),
    ),
    taxes=(decision.TaxTotal(700, gross=258, net=241, tax=17),),
    totals=decision.Totals(list=387, saving=129, net=258, fees=100, tax=17, payable=358, cash_rounding=2),
    gifts=(
        decision.GiftResult("home", True, 1, "fashion", 100, lines=("1",)),
        decision.GiftResult("home", False, 2, "fashion", 100, articles=("bag", "cap")),
    ),
    points=decision.PointsResult(1_502, 2, (decision.PromotionPoints("home", 1_500),)),
    next_codes=(decision.NextCode("home", "thanks", 1_790_000_000_000_000),),
    next_steps=(
        decision.NextStep(
            "weighed",
            (decision.Missing("measure", 250, "kg", "bananas"),),
            (decision.Added("chiquita", 0, 250, "kg"), decision.Added("bag", 1, 0, "")),
            saving=40,
            payable=-10,
        ),
    ),
)


def answered(**fields) -> pb.Decision:
    return answers.to_message(DECISION, codes=["nix", " save", "SAVE"], **fields)


def test_a_decision_says_what_the_engine_says():
    got = answered(product_titles={"fashion": "Mode"})
    assert (got.format_number, got.semantics_number, got.ruleset_digest) == (1, 1, "a" * 64)
    assert (got.proof, got.proof_bound_minor) == (pb.PROOF_BOUNDED, 3)
    assert [(u.count, u.net_minor, u.refund_minor) for u in got.lines[0].units] == [(2, 129, 86), (1, 0, 86)]
    assert [(d.promotion, d.amount_minor) for d in got.lines[0].discounts] == [("pasta", 129)]
    fashion, home, other, pasta, weighed = got.promotions
    assert fashion.missing[0] == pb.Missing(
        kind=pb.MISSING_KIND_AMOUNT, amount_minor=1_240, product_set="fashion", product_set_title="Mode"
    )
    assert fashion.failing_clause == "when basket is worth at least EUR 50.00 of fashion"
    assert (home.fee_saving_minor, list(home.codes), home.usage_judged) == (495, [" save"], True)
    assert (list(other.beaten_by), other.would_save_minor) == (["pasta"], 100)
    assert not pasta.HasField("would_save_minor")
    assert (pasta.tier, pasta.next_tier) == (2, pb.Missing(kind=pb.MISSING_KIND_PIECES, pieces=3))
    assert (other.variant, weighed.tier, weighed.HasField("next_tier")) == ("ten", 0, False)
    assert weighed.missing[0].measure_unit == common.MEASURE_UNIT_KG
    assert weighed.missing[0].measure_thousandths == 250
    assert list(got.free_services) == ["home"]
    assert [(f.service, f.net_minor, len(f.discounts)) for f in got.fees] == [("home", 0, 1), ("pickup", 100, 0)]
    assert [(c.code, c.verdict, c.reason) for c in got.codes] == [
        (" save", pb.CODE_VERDICT_KIND_APPLIED, common.REASON_APPLIED),
        ("nix", pb.CODE_VERDICT_KIND_UNKNOWN, common.REASON_UNSPECIFIED),
    ]
    assert got.totals == pb.Totals(
        list_minor=387,
        saving_minor=129,
        net_minor=258,
        fee_list_minor=595,
        fee_net_minor=100,
        tax_minor=17,
        prices_include_tax=True,
        payable_minor=358,
        cash_rounding_minor=2,
    )
    assert got.taxes[0] == pb.TaxTotal(
        tax_rate_basis_points=700, without_tax_minor=241, tax_minor=17, with_tax_minor=258
    )
    given, offered = got.gifts
    assert (given.state, given.count, list(given.line_ids), given.product_set) == (pb.GIFT_STATE_GIVEN, 1, ["1"], "")
    assert (offered.state, offered.count, list(offered.articles)) == (pb.GIFT_STATE_OFFERED, 2, ["bag", "cap"])
    assert (offered.product_set, offered.product_set_title, offered.unit_price_minor) == ("fashion", "Mode", 100)
    added = [pb.PromotionPoints(promotion="home", points=1_500)]
    assert got.points == pb.PointsResult(earned=1_502, base=2, promotions=added)
    assert list(got.next_codes) == [
        pb.NextCode(promotion="home", code_set="thanks", count=1, valid_until_us=1_790_000_000_000_000)
    ]
    (step,) = got.next_steps
    assert (step.promotion, step.saving_minor, step.payable_minor) == ("weighed", 40, -10)
    assert [(one.article, one.pieces, one.measure_thousandths) for one in step.additions] == [
        ("chiquita", 0, 250),
        ("bag", 1, 0),
    ]
    assert answers.limits_from(DECISION.promotions) == pb.LIMITS_FROM_REQUEST
    assert answers.limits_from(()) == pb.LIMITS_FROM_NONE


NOT_YET = {
    "Totals.refunded_minor",
}


def test_every_field_of_a_decision_is_filled_or_known_to_be_later_work():
    """A field that is added to the contract and forgotten here would look as if there were nothing to tell."""
    filled: set[str] = set()

    def walk(message) -> None:
        for field, value in message.ListFields():
            filled.add(f"{message.DESCRIPTOR.name}.{field.name}")
            if field.message_type is not None:
                for item in value if field.is_repeated else [value]:
                    walk(item)

    pasta = SimpleNamespace(title="Pasta", labels=(("de", "Nudeln"), ("en", "Pasta")), hints=())
    fashion = SimpleNamespace(title="", labels=(), hints=(("en", "{missing} more"),))
    walk(
        answered(
            product_titles={"fashion": "Mode"}, promotions={"pasta": pasta, "fashion": fashion, "weighed": fashion}
        )
    )
    messages = {name.split(".")[0] for name in filled} - {"Text"}
    every = {f"{name}.{field.name}" for name in messages for field in pb.DESCRIPTOR.message_types_by_name[name].fields}
    assert every - filled == NOT_YET


def test_the_order_in_which_codes_are_entered_changes_nothing():
    first = {
        answers.to_message(DECISION, codes=codes).SerializeToString(deterministic=True)
        for codes in itertools.permutations(["nix", " save", "SAVE"])
    }
    assert len(first) == 1


def test_enums_of_engine_and_contract_are_the_same():
    assert {r.name: r.value for r in Reason} == {
        name.removeprefix("REASON_"): number for name, number in common.Reason.items() if number
    }
    contracts = {name.removeprefix("CODE_VERDICT_KIND_"): number for name, number in pb.CodeVerdictKind.items()}
    assert all(contracts[v.name] == v.value for v in Verdict)


def test_a_clause_is_cut_between_characters():
    long = decision.PromotionResult("p", Reason.CONDITION, clause="ä" * 600)
    got = answers.to_result(long, entered={}, names=None, product_titles={}, write=answers.Writer({}, "EUR"))
    assert got.failing_clause == "ä" * 512


def test_texts_are_filled_as_their_language_writes_amounts():
    german = Writing(
        language="de", decimal=",", group=".", sizes=(3, 3), signs=(Sign(currency="EUR", before="", after=" €"),)
    )
    pasta = SimpleNamespace(title="", labels=(("en", "You save {saved}"), ("de", "Sie sparen {saved}")), hints=())
    fashion = SimpleNamespace(title="", labels=(("de", "nie"),), hints=(("de", "Noch {missing} bis 50 €"),))
    weighed = SimpleNamespace(title="", labels=(), hints=(("de", "{missing} fehlen"),))
    names = {"pasta": pasta, "fashion": fashion, "weighed": weighed}
    got = {result.promotion: result for result in answered(promotions=names, writings={"de": german}).promotions}
    assert [text.text for text in got["pasta"].labels] == ["Sie sparen 1,29 €", "You save EUR 1.29"]
    assert [text.text for text in got["fashion"].hints] == ["Noch 12,40 € bis 50 €"] and not got["fashion"].labels
    assert [text.text for text in got["weighed"].hints] == ["0,25 kg fehlen"]


def test_who_pays_is_told_by_party_then_name():
    paid = answered().promotions[3].funding
    assert [(p.party, p.name, p.amount_minor) for p in paid] == [
        (pb.FUNDING_PARTY_US, "", 52),
        (pb.FUNDING_PARTY_SUPPLIER, "Pastella", 77),
    ]
