Feature: Register and fill in an emergency profile
  A person wants rescuers to know what matters, and registers within minutes.

  Background:
    Given Urgence is running

  Scenario: A new person confirms the e-mail address and signs in
    When Ada registers
    Then the answer is 201
    And a mail to Ada carries a code
    When Ada signs in
    Then the answer is 401
    When Ada confirms with the code
    And Ada signs in
    Then the answer is 200

  Scenario: Nobody can find out whether an account exists
    Given Ada has registered
    When a stranger registers with Ada's e-mail address
    Then the answer is the same as for a new address
    When somebody signs in as Ada with a wrong password
    And somebody signs in as Nobody with a wrong password
    Then both answers are the same

  Scenario: The three kinds of nothing stay apart
    Given Ada is registered and signed in
    When Ada saves a profile with these sections:
      | section     | statement      |
      | allergies   | none-known     |
      | conditions  | declined       |
      | medications | no-information |
    Then the profile says:
      | section     | statement      |
      | allergies   | none-known     |
      | conditions  | declined       |
      | medications | no-information |

  Scenario: Two devices do not overwrite each other
    Given Ada is registered and signed in
    And Ada has saved an allergy to "penicillin"
    And the profile was read on two devices
    When the first device adds an allergy to "latex"
    Then the answer is 200
    When the second device adds an allergy to "nuts"
    Then the answer is 412
    And the profile lists an allergy to "latex"
    And the history shows 2 versions

  Scenario: A patient summary from a hospital is shown before it is saved
    Given Ada is registered and signed in
    When Ada imports the patient summary "ips/minimal.json" without saving
    Then the preview lists what was understood and what was not
    And the profile is still empty
    When Ada imports the patient summary "ips/minimal.json" and saves it
    Then the profile lists an allergy to "penicillin"
