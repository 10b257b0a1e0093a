"""django-oscar: each promotion a conditional offer «at least one article of a range», all held in memory.

Nothing is read from a database: ranges answer from a set of articles, by Oscar's own way to put in ranges of one's own,
and conditions are what Oscar would make of them at each question. Channels are no matter of Oscar's; they, and codes,
are looked at before an offer is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final, NamedTuple

from benchmarks.peers.matching import Basket, Found, Missing, Promotion

APPS: Final = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sites",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "haystack",
    "treebeard",
)


class Terms(NamedTuple):
    """What an offer is made of."""

    articles: frozenset[str] | None  # of which one must be in the basket; None: any article will do
    start: datetime
    end: datetime  # of the last second in which it runs: Oscar takes the end itself in


class Oscar:
    """The offers. `members`: the articles of each product set."""

    def __init__(self, promotions: Sequence[Promotion], members: Mapping[int, frozenset[str]]) -> None:
        try:
            models = _models()
        except ImportError as error:
            raise Missing("pip install django-oscar") from error
        self.title = f"django-oscar {metadata.version('django-oscar')}, offers in memory"
        self._models = models
        self._promotions = promotions
        self._offers = [_offer(models, number, terms(one, members)) for number, one in enumerate(promotions)]

    def match(self, basket: Basket) -> Found:
        """Which promotions are about this basket."""
        asked, at = _basket(self._models, basket.articles), datetime.fromtimestamp(basket.at_s, UTC)
        code_sets, channel = frozenset(basket.code_sets), basket.channel
        begin = time.perf_counter_ns()
        found = [
            number
            for number, (promotion, offer) in enumerate(zip(self._promotions, self._offers, strict=True))
            if (promotion.code_set < 0 or promotion.code_set in code_sets)
            and channel in promotion.channels
            and offer.is_available(test_date=at)
            and offer.is_condition_satisfied(asked)
        ]
        return Found(found, time.perf_counter_ns() - begin)

    def close(self) -> None:
        """Nothing is left behind."""


def terms(promotion: Promotion, members: Mapping[int, frozenset[str]]) -> Terms:
    """A promotion as an offer has it."""
    articles = frozenset[str]().union(*(members[number] for number in promotion.product_sets))
    window = (datetime.fromtimestamp(promotion.start_s, UTC), datetime.fromtimestamp(promotion.until_s - 1, UTC))
    return Terms(articles if promotion.product_sets else None, *window)


class _Articles:
    """A range of one's own: the articles of a set."""

    def __init__(self, articles: frozenset[str] | None) -> None:
        self._articles = articles

    def contains_product(self, product: Any) -> bool:
        """Whether a product is one of them."""
        return self._articles is None or product.upc in self._articles


Models = dict[str, Any]


def _models() -> Models:
    """Oscar's classes, with a Django that has no project and no data."""
    import django
    import oscar.defaults
    from django.conf import settings

    if not settings.configured:
        own = {name: getattr(oscar.defaults, name) for name in dir(oscar.defaults) if name.startswith("OSCAR")}
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        search = {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}
        settings.configure(
            **own,
            USE_TZ=True,
            SITE_ID=1,
            DATABASES={"default": database},
            HAYSTACK_CONNECTIONS={"default": search},
            INSTALLED_APPS=APPS,
        )
        django.setup()
    from oscar.core.loading import get_class, get_model

    names = (("offer", "ConditionalOffer"), ("offer", "Range"), ("basket", "Basket"), ("basket", "Line"))
    found = {name: get_model(app, name) for app, name in (*names, ("catalogue", "Product"))}
    return found | {"CountCondition": get_class("offer.conditions", "CountCondition")}


def _offer(models: Models, number: int, terms: Terms) -> Any:
    range_ = models["Range"](name=str(number), proxy_class="benchmarks.peers.oscar._Articles")
    vars(range_)["proxy"] = _Articles(terms.articles)  # what `proxy_class` would be made of at the first question
    condition = models["CountCondition"](type="Count", value=1, range=range_)
    window = {"start_datetime": terms.start, "end_datetime": terms.end}
    return models["ConditionalOffer"](name=str(number), slug=str(number), condition=condition, **window)


def _basket(models: Models, articles: Sequence[str]) -> Any:
    basket = models["Basket"](id=1)
    product: Callable[..., Any] = models["Product"]
    basket._lines = [
        models["Line"](basket=basket, product=product(id=n, upc=sku), stockrecord_id=1, quantity=1)
        for n, sku in enumerate(articles)
    ]
    return basket
