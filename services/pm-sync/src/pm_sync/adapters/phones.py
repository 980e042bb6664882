"""Phone numbers as people write them."""

import phonenumbers


def e164(text: str, country: str) -> str | None:
    """In E.164; None where it is no number that can exist in its country or abroad."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
