# The options of the policies' settings, and of holds. policies/settings.yaml explains
# each setting, and has the defaults that null means.
{ lib }:
let
  inherit (lib) mkOption types;

  unset =
    type: description:
    mkOption {
      inherit description;
      type = types.nullOr type;
      default = null;
    };

  inherit (import ./described.nix { inherit lib; })
    fineDuration
    instant
    pattern
    subject
    unit
    words
    ;
  duration = fineDuration;
  window = types.enum [
    "1h"
    "24h"
  ];

  # free is a group of options in which the file's own keys can be given too.
  free =
    options: description:
    mkOption {
      default = { };
      inherit description;
      type = types.submodule {
        freeformType = types.attrsOf types.anything;
        inherit options;
      };
    };

  required =
    type: example: description:
    mkOption { inherit type example description; };
in
{
  settings = mkOption {
    default = { };
    example = {
      budget.unit = 5;
      grace.loaded_is_current = "30m";
    };
    description = "What rules take into account. The keys of settings.yaml itself can be given too; the build refuses one that it does not have.";
    type = types.submodule {
      freeformType = types.attrsOf types.anything;
      options = {
        restart = mkOption {
          type = types.listOf pattern;
          default = [ ];
          example = [ "lab-*.service" ];
          description = "Patterns of units that may be restarted as a heal, besides the stacks with the option restart.";
        };
        trustDistributionDropins = unset types.bool "Whether drop-ins below /usr/lib/systemd/user are trusted.";
        grace = mkOption {
          type = types.attrsOf duration;
          default = { };
          example = {
            loaded_is_current = "30m";
          };
          description = "How long a finding may stay open although its heal was tried, by invariant.";
        };
        budget = {
          unit = unset types.ints.positive "How many actions may be started on one unit within the window.";
          host = unset types.ints.positive "How many actions may be started on the whole host within the window.";
          window = unset window "The window in which actions are counted.";
        };
        breaker = {
          failures = unset types.ints.positive "How many heals that did not help, within a day, stop further heals.";
          cooldown = unset duration "How long no further heals are tried then.";
        };
        repeat = {
          drift = unset types.ints.positive "How many heals of one finding within the window become a finding.";
          window = unset window "The window in which heals are counted.";
        };
        settle = unset duration "How long unit files must not have changed before a rule relies on them.";
        storage = free {
          freeMb = unset types.ints.unsigned "How much must be free where podman keeps containers and images, in 10^6 bytes.";
          freeInodes = unset types.ints.unsigned "How many files must be left there to be created.";
        } "When space is short.";
        decide = mkOption {
          default = [ ];
          example = [
            {
              invariant = "loaded_is_current";
              units = [ "db.service" ];
              effect = "block";
            }
          ];
          description = "Which heals are alerts instead, and which findings have another severity.";
          type = types.listOf (types.submodule {
            options = {
              invariant = required types.str "loaded_is_current" "An invariant, or a pattern of several.";
              units = required (types.nonEmptyListOf subject) [ "db.service" ] "Patterns of units; host means findings that are about no unit.";
              effect = unset (types.enum [ "block" ]) "block: a heal becomes an alert.";
              severity = unset (types.enum [
                "page"
                "ticket"
              ]) "The severity of the findings.";
            };
          });
        };
      };
    };
  };

  holds = mkOption {
    default = [ ];
    example = [
      {
        unit = "web.service";
        reason = "new disk";
        owner = "ada";
        until = "2026-12-24T18:00:00Z";
      }
    ];
    description = "Units under planned maintenance: findings about whether they run do not count, and nothing acts on them.";
    type = types.listOf (types.submodule {
      options = {
        unit = required unit "web.service" "The unit, with its suffix.";
        reason = required words "new disk" "Why.";
        owner = required words "ada" "Who is responsible.";
        until = required instant "2026-12-24T18:00:00Z" "When the hold ends: RFC 3339, with a zone.";
      };
    });
  };

  waivers = mkOption {
    default = [ ];
    example = [
      {
        invariant = "verify_gate_present";
        units = [ "lab-*.service" ];
        reason = "rebuilt next month";
        owner = "ada";
        until = "2026-12-24T18:00:00Z";
      }
    ];
    description = "Findings that do not count until a given time.";
    type = types.listOf (types.submodule {
      options = {
        invariant = required types.str "verify_gate_present" "An invariant, or a pattern of several.";
        units = required (types.nonEmptyListOf subject) [ "lab-*.service" ] "Patterns of units; host means findings that are about no unit.";
        reason = required words "rebuilt next month" "Why.";
        owner = required words "ada" "Who is responsible.";
        until = required instant "2026-12-24T18:00:00Z" "When the finding counts again: RFC 3339, with a zone.";
      };
    });
  };
}
