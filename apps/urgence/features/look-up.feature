Feature: A responder looks a person up
  Seconds count; so does the right to know who looked.

  Background:
    Given Urgence is running
    And Ada is registered and signed in
    And Ada has saved an allergy to "penicillin"
    And Ada has sent the position 2.3522, 48.8566

  Scenario: A responder with a second factor finds the person by phone number
    Given Rémi is a responder with a second factor
    When Rémi looks up Ada's phone number for the incident "2026-0042" because of "unconscious"
    Then the answer is 200
    And the emergency view lists an allergy to "penicillin"
    And the last position is 2.3522, 48.8566

  Scenario: A responder without the second factor sees nothing
    Given Rémi is a responder who has not enrolled a second factor
    When Rémi looks up Ada's phone number for the incident "2026-0042" because of "unconscious"
    Then the answer is 403

  Scenario: Another person sees nothing
    When Bob, another person, looks up Ada's phone number for the incident "2026-0042" because of "unconscious"
    Then the answer is 403

  Scenario: A reason and an incident are required
    Given Rémi is a responder with a second factor
    When Rémi looks up Ada's phone number without reason and incident
    Then the answer is 400
    And all of "incident, reason" are named as wrong

  Scenario: An unknown number
    Given Rémi is a responder with a second factor
    When Rémi looks up the number "+33 6 39 98 99 99" for the incident "2026-0043" because of "unconscious"
    Then the answer is 404
