"""Minor units, exponents, exact rounding. Money is an integer here and everywhere."""

from __future__ import annotations

from typing import Literal

Rounding = Literal["half-up", "half-even", "down", "up"]
ROUNDINGS: tuple[Rounding, ...] = ("half-up", "half-even", "down", "up")  # the machine's codes are positions here

MICROS = 1_000_000  # of a currency unit

# ISO 4217: digits behind the point. Every currency that has not two; and all that have, by name, so that a typing
# mistake is no currency.
_TWO = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG"
)
EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}


def exponent(currency: str) -> int:
    """Digits behind the point of a currency's minor unit. Raises KeyError for what is no ISO 4217 code."""
    return EXPONENTS[currency]


def micros_per_minor(currency: str) -> int:
    """EUR: 10,000; JPY: 1,000,000; KWD: 1,000."""
    return int(10 ** (6 - exponent(currency)))


def to_step(amount: int, step: int) -> int:
    """The multiple of a step that is closest to an amount; of two the one farther from zero."""
    quotient, rest = divmod(abs(amount), step)
    rounded = (quotient + (2 * rest >= step)) * step
    return rounded if amount >= 0 else -rounded


def divide(numerator: int, denominator: int, rounding: Rounding) -> int:
    """numerator / denominator rounded to an integer; both not negative, the denominator positive. Exact at any size."""
    assert numerator >= 0 and denominator > 0
    quotient, rest = divmod(numerator, denominator)
    if rounding == "half-up":
        return quotient + (2 * rest >= denominator)
    if rounding == "half-even":
        return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))
    return quotient if rounding == "down" else quotient + (rest > 0)
