"""Written forms in any language's posts: units, currencies, months, domain endings.

Forms in the script of one language are with that language: its verbaliser offers them (see `semiotics`).
"""

from types import MappingProxyType

from tts_app.language.text import word_set

UNITS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        # length
        "mm": ("mm",),
        "cm": ("cm", "cms"),
        "m": ("m", "mtr", "mtrs"),
        "km": ("km", "kms", "Km", "KM", "Kms", "KMs"),
        "inch": ("″",),
        "ft": ("ft",),
        "yd": ("yd", "yds"),
        "mi": ("mi",),
        # area and volume
        "m2": ("m2", "sqm", "sq m", "sq.m", "sq. m", "sq mt", "sqmt"),
        "km2": ("km2", "sq km", "sq. km", "sqkm"),
        "ft2": ("ft2", "sqft", "sq ft", "sq.ft", "sq. ft", "sq.ft.", "sq. ft."),
        "m3": ("m3",),
        "ha": ("ha",),
        "ml": ("ml", "mL", "ML"),
        "cl": ("cl", "cL"),
        "l": ("l", "L", "ltr", "ltrs", "Ltr"),
        "gal": ("gal",),
        # mass
        "mg": ("mg",),
        "g": ("g", "gm", "gms", "gr"),
        "kg": ("kg", "kgs", "Kg", "KG", "KGs", "Kgs"),
        "lb": ("lb", "lbs"),
        "oz": ("oz",),
        # time
        "s": ("sec", "secs"),
        "min": ("min", "mins", "Min", "Mins", "MIN", "MINS"),
        "h": ("h", "hr", "hrs", "Hr", "Hrs", "HR", "HRS"),
        "week": ("wk", "wks"),
        "year": ("yr", "yrs"),
        # temperature and angle
        "celsius": ("°C", "ºC", "° C", "º C", "℃", "°c"),
        "fahrenheit": ("°F", "ºF", "° F", "º F", "℉", "°f"),
        "degree": ("°",),
        # speed
        "kmh": ("km/h", "kmh", "kph", "Km/h", "KM/H", "kmph"),
        "mph": ("mph", "MPH"),
        "mps": ("m/s",),
        # data
        "kb": ("KB", "kB"),
        "mb": ("MB",),
        "gb": ("GB", "Gb", "gb"),
        "tb": ("TB",),
        "mbps": ("Mbps", "mbps", "MBPS", "Mb/s", "Mbit/s"),
        "gbps": ("Gbps", "gbps", "Gb/s"),
        # energy, power, frequency
        "w": ("W",),
        "kw": ("kW", "KW"),
        "kwh": ("kWh", "kwh", "KWh"),
        "mah": ("mAh",),
        "v": ("V",),
        "hz": ("Hz",),
        "ghz": ("GHz",),
        "mhz": ("MHz",),
        "kcal": ("kcal", "Kcal"),
        "mp": ("MP",),
        # counted things with a sign of their own
        "star": ("★", "☆", "⭐", "*"),
        "times": ("x", "X", "×"),
    }
)
"""Each unit that a verbaliser's `measure` must know, with its written forms (exact case: 5G is no 5 g)."""

CURRENCIES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "USD": ("$", "US$", "USD", "US $"),
        "GBP": ("£", "GBP", "￡"),
        "AUD": ("A$", "AU$", "AUD"),
        "EUR": ("€", "EUR"),
        "INR": ("₹", "INR"),
        "PKR": ("₨", "PKR", "Rs", "Rs.", "RS", "rs", "rs."),
        "SAR": ("SAR", "SR", "﷼", "ر.س", "ر.س.", "⃁"),
        "EGP": ("EGP", "LE", "L.E.", "E£", "ج.م", "ج.م."),
        "AED": ("AED", "Dh", "Dhs", "DH", "DHS", "Dhs.", "Dh.", "د.إ", "د.إ.", "⃃"),
    }
)
"""Written signs and codes of each currency. A bare `Rs` is the rupee of the speaker's own country:
a verbaliser with `home_currency = "INR"` reads it as Indian."""

RUPEES = frozenset({"Rs", "Rs.", "RS", "rs", "rs.", "₨"})
DOLLARS = frozenset({"$"})
"""Signs that mean the speaker's own rupee or dollar, where the locale has one."""

MAGNITUDES: MappingProxyType[str, int] = MappingProxyType(
    {
        "k": 10**3,
        "K": 10**3,
        "M": 10**6,
        "mn": 10**6,
        "Mn": 10**6,
        "bn": 10**9,
        "Bn": 10**9,
        "BN": 10**9,
        "B": 10**9,
    }
)
"""Letters that multiply any number before them."""

MONEY_MAGNITUDES: MappingProxyType[str, int] = MappingProxyType(
    {
        "m": 10**6,
        "b": 10**9,
        "million": 10**6,
        "billion": 10**9,
        "lakh": 10**5,
        "lakhs": 10**5,
        "lac": 10**5,
        "crore": 10**7,
        "crores": 10**7,
        "cr": 10**7,
        "Cr": 10**7,
    }
)
"""Letters that multiply only an amount of money: 5 m alone is five metres."""

ENGLISH_MONTHS: MappingProxyType[int, tuple[str, ...]] = MappingProxyType(
    {
        1: ("January", "Jan"),
        2: ("February", "Feb"),
        3: ("March", "Mar"),
        4: ("April", "Apr"),
        5: ("May",),
        6: ("June", "Jun"),
        7: ("July", "Jul"),
        8: ("August", "Aug"),
        9: ("September", "Sept", "Sep"),
        10: ("October", "Oct"),
        11: ("November", "Nov"),
        12: ("December", "Dec"),
    }
)
"""Understood in every language's posts."""

ENGLISH_WEEKDAYS: MappingProxyType[int, tuple[str, ...]] = MappingProxyType(
    {
        0: ("Monday", "Mon"),
        1: ("Tuesday", "Tues", "Tue"),
        2: ("Wednesday", "Weds", "Wed"),
        3: ("Thursday", "Thurs", "Thur", "Thu"),
        4: ("Friday", "Fri"),
        5: ("Saturday", "Sat"),
        6: ("Sunday", "Sun"),
    }
)

DOMAINS = word_set(
    "com net org info biz edu gov mil int io ai app dev co me tv ly gg gl be fm ae sa eg pk in uk us au "
    "es eu fr de it nl ie ca nz za qa bh kw om jo lb tr cn jp sg my ch hotel travel shop store online "
    "site xyz club events tours restaurant page link blog live news cloud tech"
)
"""Endings that distinguish a web address without https:// from a missing space after a full stop."""
