"""FHIR R4 servers: https://hl7.org/fhir/R4/"""
