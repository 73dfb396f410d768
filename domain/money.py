"""Money: whole numbers of a currency's smallest unit, with its ISO 4217 code in lower case."""

# Minor units per ISO 4217, where they are not two. Stripe's list of zero- and three-decimal currencies agrees,
# save for isk and ugx, which it takes with two decimals: docs.stripe.com/currencies.
_DECIMALS = {
    **dict.fromkeys(
        ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"), 0
    ),
    **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3),
}

CURRENCIES = frozenset(
    """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny
    cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd
    jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad
    ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl
    thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw
    """.split()
)

MAX_AMOUNT_MINOR = 99_999_999_999_999  # Fits a JSON number in every language (below 2^53) with room to add up.


def decimals(currency: str) -> int:
    """Digits after the point: 2 for usd, 0 for jpy, 3 for kwd."""
    return _DECIMALS.get(currency, 2)


def display(amount_minor: int, currency: str) -> str:
    """An amount as a person reads it: `29.99 USD`, `500 JPY`, `1.234 KWD`."""
    digits = decimals(currency)
    sign, whole = ("-" if amount_minor < 0 else ""), abs(amount_minor)
    if digits == 0:
        return f"{sign}{whole} {currency.upper()}"
    return f"{sign}{whole // 10**digits}.{whole % 10**digits:0{digits}} {currency.upper()}"
