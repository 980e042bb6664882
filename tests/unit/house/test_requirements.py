from tests.requirements import manifest, read_manifest

DOCUMENT = "| R1 | A rule. |\n| R2 | *Not built yet.* Another. |\n"


def test_every_rule_has_a_test_and_every_named_rule_is_documented() -> None:
    assert manifest().problems() == []


def test_a_rule_without_a_test_is_found() -> None:
    assert read_manifest(DOCUMENT, ["def test_nothing(): pass"]).problems() == ["R1 has no test"]


def test_a_test_of_an_undocumented_rule_is_found() -> None:
    text = '@pytest.mark.rule("R1", "Z9")\ndef test_it(): pass'
    assert read_manifest(DOCUMENT, [text]).problems() == ["Z9 is tested and not documented"]


def test_a_test_of_a_rule_that_is_said_not_to_be_built_is_found() -> None:
    text = '@rule("R1")\n@rule("R2")\ndef test_it(): pass'
    assert read_manifest(DOCUMENT, [text]).problems() == ["R2 is tested, so it is built: say so"]
