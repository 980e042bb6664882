"""Phone numbers."""

from functools import lru_cache

import phonenumbers


@lru_cache(maxsize=10_000)
def e164(phone: str, country: str) -> str:
    """A phone in the form that patients are known by; what is none (a short code, a hidden one) stays as it is."""
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_phone(text: str, country: str) -> bool:
    """Whether this can be a phone number, in any spelling."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, country))
    except phonenumbers.NumberParseException:
        return False
