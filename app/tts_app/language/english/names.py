"""Names and new words that the dictionaries lack, or whose spelling misleads: American, then British."""

from types import MappingProxyType

NAMES = MappingProxyType(
    {
        "wifi": ("wˈIfˌI", "wˈIfˌI"),
        "airbnb": ("ˌɛɹbiənbˈi", "ˌɛːbiːənbˈiː"),
        "burj": ("bˈʊɹʒ", "bˈʊəʒ"),
        "dubai": ("dubˈI", "duːbˈI"),
        "iphone": ("ˈIfˌOn", "ˈIfˌQn"),
        "jumeirah": ("ʤumˈɛɹə", "ʤuːmˈɛːɹə"),
        "khalifa": ("kəlˈifə", "kəlˈiːfə"),
        "madinah": ("mədˈinə", "mədˈiːnə"),
        "mezze": ("mˈɛzA", "mˈɛzA"),
        "riyadh": ("ɹiˈɑd", "ɹˈiːad"),
        "riyal": ("ɹiˈɑl", "ɹiːˈɑːl"),
        "riyals": ("ɹiˈɑlz", "ɹiːˈɑːlz"),
        "souq": ("sˈuk", "sˈuːk"),
        "tiktok": ("tˈɪktˌɑk", "tˈɪktˌɒk"),
        "uber": ("ˈubəɹ", "ˈuːbə"),
        "whatsapp": ("wˈʌtsˌæp", "wˈɒtsˌap"),
        "zayed": ("zˈIɛd", "zˈIɛd"),
    }
)
"""Pronunciations, by the word in lower case."""
