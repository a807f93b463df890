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
        "nm": ("nm",),
        "um": ("µm", "μm"),
        "inch": ("″", "in."),
        "ft": ("ft", "′"),
        "yd": ("yd", "yds"),
        "mi": ("mi",),
        "nmi": ("nmi",),
        # area and volume
        "cm2": ("cm2", "cm^2", "sq cm"),
        "m2": ("m2", "m^2", "sqm", "sq m", "sq.m", "sq. m", "sq mt", "sqmt"),
        "km2": ("km2", "km^2", "sq km", "sq. km", "sqkm"),
        "ft2": ("ft2", "ft^2", "sqft", "sq ft", "sq.ft", "sq. ft", "sq.ft.", "sq. ft."),
        "in2": ("in2", "in^2", "sq in", "sq. in."),
        "yd2": ("yd2", "yd^2", "sq yd"),
        "mi2": ("mi2", "mi^2", "sq mi", "sq. mi."),
        "cm3": ("cm3", "cm^3", "cc"),
        "m3": ("m3", "m^3", "cu m", "cbm"),
        "km3": ("km3", "km^3"),
        "ft3": ("ft3", "ft^3", "cu ft", "cu. ft."),
        "in3": ("in3", "in^3"),
        "ha": ("ha",),
        "ac": ("ac",),
        "ml": ("ml", "mL", "ML"),
        "cl": ("cl", "cL"),
        "l": ("l", "L", "ltr", "ltrs", "Ltr"),
        "dl": ("dl", "dL"),
        "hl": ("hl", "hL"),
        "gal": ("gal",),
        "floz": ("fl oz", "fl. oz.", "fl.oz."),
        "tbsp": ("tbsp", "Tbsp", "tbsps"),
        "tsp": ("tsp", "tsps"),
        # mass
        "ug": ("µg", "μg", "mcg"),
        "mg": ("mg",),
        "g": ("g", "gm", "gms", "gr"),
        "kg": ("kg", "kgs", "Kg", "KG", "KGs", "Kgs"),
        "lb": ("lb", "lbs"),
        "oz": ("oz",),
        # time
        "us": ("µs", "μs"),
        "ms": ("ms", "msec"),
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
        "mps2": ("m/s2", "m/s^2"),
        "kn": ("kn", "kts"),
        # data
        "kb": ("KB", "kB"),
        "mb": ("MB",),
        "gb": ("GB", "Gb", "gb"),
        "tb": ("TB",),
        "pb": ("PB",),
        "kbit/s": ("kbps", "Kbps", "kbit/s"),
        "mbps": ("Mbps", "mbps", "MBPS", "Mb/s", "Mbit/s"),
        "gbps": ("Gbps", "gbps", "Gb/s"),
        # energy, power, frequency
        "kj": ("kJ",),
        "cal": ("cal",),
        "mw": ("mW",),
        "w": ("W",),
        "kw": ("kW", "KW"),
        "megawatt": ("MW",),
        "gw": ("GW",),
        "hp": ("hp", "HP", "bhp"),
        "kwh": ("kWh", "kwh", "KWh"),
        "mah": ("mAh",),
        "ma": ("mA",),
        "v": ("V",),
        "ohm": ("Ω", "Ω"),
        "hz": ("Hz",),
        "khz": ("kHz", "KHz"),
        "ghz": ("GHz",),
        "mhz": ("MHz",),
        "kcal": ("kcal", "Kcal"),
        "mp": ("MP",),
        # pressure, force, sound, light, screens, shares
        "pa": ("Pa",),
        "hpa": ("hPa",),
        "kpa": ("kPa",),
        "mpa": ("MPa",),
        "mbar": ("mbar",),
        "psi": ("psi", "PSI"),
        "mmhg": ("mmHg", "mm Hg"),
        "nmt": ("Nm",),
        "db": ("dB", "db", "dBA", "dB(A)"),
        "lx": ("lx",),
        "lm": ("lm",),
        "px": ("px",),
        "dpi": ("dpi", "DPI"),
        "ppm": ("ppm",),
        "rpm": ("rpm", "RPM"),
        "bpm": ("bpm", "BPM"),
        "fps": ("fps", "FPS"),
        # counted things with a sign of their own
        "star": ("★", "☆", "⭐", "*"),
        "times": ("x", "X", "×"),
    }
)
"""Each unit that a verbaliser's `measure` must know, with its written forms (exact case: 5G is no 5 g)."""

PER: MappingProxyType[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("s", "sec"), "s"),
        **{unit: unit for unit in ("min", "h", "day", "month", "year", "kg", "g", "l", "ml", "dl")},
        **{unit: unit for unit in ("m3", "m2", "ha")},
        **dict.fromkeys(("hr", "hour"), "h"),
        **{
            "d": "day",
            "wk": "week",
            "week": "week",
            "mo": "month",
            "yr": "year",
            "L": "l",
            "mL": "ml",
            "dL": "dl",
        },
        **{"m^3": "m3", "m^2": "m2", "cm2": "cm2", "cm^2": "cm2", "cm3": "cm3", "cm^3": "cm3", "cc": "cm3"},
        **{
            "ft2": "ft2",
            "sq ft": "ft2",
            "sqft": "ft2",
            "km2": "km2",
            "km^2": "km2",
            "gal": "gal",
            "lb": "lb",
        },
    }
)
"""Written units after the slash of a compound unit (MB/s, kg/m³), and their keys."""

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
        "thousand": 10**3,
        "million": 10**6,
        "billion": 10**9,
        "trillion": 10**12,
        "tn": 10**12,
        "T": 10**12,
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
    "COM ORG NET EDU GOV "
    "site xyz club events tours restaurant page link blog live news cloud tech"
)
"""Endings that distinguish a web address without https:// from a missing space after a full stop."""
