Feature: A person sees who looked
  Every access is on record before the data leaves, and the record cannot be altered unnoticed.

  Background:
    Given Urgence is running
    And Ada is registered and signed in
    And Ada has saved an allergy to "penicillin"

  Scenario: A lookup appears in the person's access log
    Given Rémi is a responder with a second factor
    And Rémi has looked up Ada's phone number for the incident "2026-0050" because of "unconscious"
    When Ada reads the access log
    Then the newest entry names the incident "2026-0050" and the level 2
    And the audit chain verifies

  Scenario: A look at the card appears as well
    Given Ada has a card that shows allergies
    When somebody opens Ada's card
    Then the answer is 200
    When Ada reads the access log
    Then the newest entry has the level 0

  Scenario: One person's log is not another's
    Given Rémi is a responder with a second factor
    And Rémi has looked up Ada's phone number for the incident "2026-0051" because of "unconscious"
    When Bob, another person, reads the access log
    Then the access log is empty
