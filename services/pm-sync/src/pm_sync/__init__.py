"""Appointments, patients and the directory from practice-management systems."""
