Feature: A person deletes everything
  What a person gave can be taken away, for good.

  Background:
    Given Urgence is running
    And Ada is registered and signed in
    And Ada has saved an allergy to "zzyzx-marker-substance"
    And Ada has sent the position 2.3522, 48.8566

  Scenario: Delete the profile, keep the account
    When Ada deletes the profile
    Then the answer is 200
    And the profile is gone
    And no file of the store contains "zzyzx-marker-substance"

  Scenario: Delete the account with a receipt
    Given Rémi is a responder with a second factor
    And Rémi has looked up Ada's phone number for the incident "2026-0060" because of "unconscious"
    When Ada deletes the account
    Then the answer is 200
    And the receipt counts what went in accounts, profiles, positions
    And no file of the store contains anything that Ada typed
    When Ada signs in
    Then the answer is 401
    And Ada's old access token is refused
    And the audit chain verifies

  Scenario: The wrong password deletes nothing
    When Ada deletes the account with a wrong password
    Then the answer is 401
    And the profile lists an allergy to "zzyzx-marker-substance"

  Scenario: Everything can be taken along before
    When Ada exports everything
    Then the export contains the account, the profile, the positions and the access log
